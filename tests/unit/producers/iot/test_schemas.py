"""The pages of the formats' fields: made from the models, and never behind them."""

import json

import pytest

from producers.iot.report import Gps, Lock, Reefer, Report
from tests.support import ROOT


@pytest.mark.parametrize("model", [Lock, Gps, Reefer], ids=lambda model: model.__name__.lower())
def test_a_schema_says_what_the_model_reads(model: type[Report]) -> None:
    path = ROOT / "docs" / "formats" / "iot" / f"{model.__name__.lower()}.json"
    assert json.loads(path.read_text()) == model.model_json_schema(by_alias=True)
