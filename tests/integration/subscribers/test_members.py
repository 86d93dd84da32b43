"""Two gateways that share the work."""

from pathlib import Path

import httpx
import pytest

from corridor.codes import Level
from tests.integration.subscribers.gateway import Gateway
from tests.integration.subscribers.receiver import Receiver
from tests.integration.subscribers.test_kills import check_order, history
from tests.support import unique_name, wait_until
from tests.unit.subscribers.samples import incident

pytestmark = pytest.mark.stack


def test_partitions_move_between_gateways_and_nothing_is_told_twice_or_not_at_all(
    topics_applied: str, endpoint: Receiver, tmp_path: Path
) -> None:
    party, path = unique_name(), f"/{unique_name()}"
    first = Gateway(tmp_path, topics_applied, party)
    told = history(party, incidents=8, revisions=3)
    with first.running():
        first.subscribe(party, endpoint.url + path)
        first.say(*told[:8])
        second = Gateway(tmp_path, topics_applied)
        second.env |= {"CORRIDOR_GROUP": first.env["CORRIDOR_GROUP"]}
        with second.running():
            first.say(*told[8:16])
            wait_until(lambda: len({one.id for one in endpoint.taken(path)}) >= 16)
            # both know all that stands, whoever delivers it
            headers = {"Authorization": f"Bearer {first.tokens[party]}"}
            for gateway in (first, second):
                listed = httpx.get(f"{gateway.url}/incidents", headers=headers).json()
                assert len(listed["incidents"]) == 8
        first.say(*told[16:], incident(f"{party}X", units={party: ["U"]}, level=Level.MINOR))
        wait_until(lambda: len({one.id for one in endpoint.taken(path)}) >= len(told) + 1)
        second.close()
    first.close()
    check_order(endpoint.taken(path))
