"""Numbers are what their standards ask for, and none is given twice."""

from corridor import containers
from corridor.codes import Mode
from producers.air.waybills import waybill
from producers.customs.carnets import carnet
from producers.simulator.chance import Chance
from producers.simulator.identities import Numbers

MANY = 500


def numbers() -> Numbers:
    return Numbers(Chance(1))


def test_containers_have_their_check_digit() -> None:
    given = numbers()
    found = [given.container() for _ in range(MANY)]
    assert all(containers.check_digit(number) == int(number[10]) for number in found)
    assert len(set(found)) == MANY


def test_air_waybills_have_their_check_digit() -> None:
    given = numbers()
    found = [given.air_waybill("CA") for _ in range(MANY)]
    assert all(waybill(number, "") == number for number in found)
    assert len(set(found)) == MANY


def test_carnets_are_carnets() -> None:
    given = numbers()
    assert all(len(carnet(given.carnet(), "")) == 10 for _ in range(MANY))


def test_imo_numbers_have_their_check_digit() -> None:
    for vessel in numbers().fleet(Mode.VESSEL, "BBGL", "S", 20):
        digits = [int(digit) for digit in vessel["imo"]]
        assert sum(d * w for d, w in zip(digits, range(7, 1, -1), strict=False)) % 10 == digits[6]


def test_a_fleet_depends_on_its_service_only() -> None:
    one, other = numbers(), numbers()
    one.fleet(Mode.BARGE, "CJBL", "FIRST", 3)
    assert one.fleet(Mode.RAIL, "EXRAIL", "S", 3) == other.fleet(Mode.RAIL, "EXRAIL", "S", 3)
