"""Numbers and names as the world has them, check digits included; none is given twice."""

from collections.abc import Callable
from random import Random

from corridor import containers
from corridor.codes import Mode
from producers.simulator.chance import Chance

_OWNERS = ("CQRU", "SWLU", "TBJU", "CRXU", "YZRU", "KTGU")
_AIRLINE_PREFIXES = {"CA": "999", "CZ": "784", "MU": "112", "CX": "160", "SQ": "618", "LH": "020"}
_ADJECTIVES = ("BRIGHT", "CALM", "EARLY", "GOLDEN", "JADE", "NOBLE", "SILVER", "SWIFT", "TRUE")
_NOUNS = ("BAY", "CRANE", "DAWN", "HARBOUR", "LOTUS", "ORCHID", "PEARL", "RIVER", "TIDE", "WIND")
_REGIONS = ("YU", "GUI", "YUN", "XIN")
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_TRUCKS = 200

Vehicle = dict[str, str]


class Numbers:
    """The registry of one world."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._units = chance.stream("unit numbers")
        self._given: set[str] = set()

    def container(self) -> str:
        """ISO 6346."""
        return self._new(self._units, _container)

    def air_waybill(self, airline: str) -> str:
        """Airline prefix and serial, whose last digit is the rest of the others by seven."""
        prefix = _AIRLINE_PREFIXES.get(airline, "479")

        def make(rng: Random) -> str:
            serial = rng.randrange(10**7)
            return f"{prefix}-{serial:07d}{serial % 7}"

        return self._new(self._units, make)

    def carnet(self) -> str:
        """A TIR carnet: two letters, eight digits."""
        return self._new(
            self._units, lambda rng: f"X{rng.choice(_LETTERS)}{rng.randrange(10**7, 10**8)}"
        )

    def fleet(self, mode: Mode, carrier: str, service: str, weekly: int) -> list[Vehicle]:
        """What a service is run with: vessels, trucks, or a number for each departure a week."""
        rng = self._chance.stream("fleet", service)
        if mode is Mode.VESSEL:
            return [
                {
                    "vessel": self._new(rng, _vessel),
                    "imo": self._new(rng, _imo),
                    "mmsi": self._new(rng, _mmsi),
                }
                for _ in range(3 * weekly)
            ]
        if mode is Mode.BARGE:
            return [
                {"vessel": self._new(rng, _vessel), "mmsi": self._new(rng, _mmsi)}
                for _ in range(4 * weekly)
            ]
        if mode is Mode.RAIL:
            return [{"number": self._new(rng, _train)} for _ in range(weekly)]
        if mode is Mode.AIR:
            airline = carrier if len(carrier) == 2 else "CA"
            numbers = [
                self._new(rng, lambda rng: f"{airline}{rng.randrange(1000, 9999)}")
                for _ in range(weekly)
            ]
            return [{"carrier": number[:2], "number": number[2:]} for number in numbers]
        return [{"plate": self._new(rng, _plate)} for _ in range(_TRUCKS)]

    def _new(self, rng: Random, make: Callable[[Random], str]) -> str:
        while (number := make(rng)) in self._given:
            pass
        self._given.add(number)
        return number


def _container(rng: Random) -> str:
    number = f"{rng.choice(_OWNERS)}{rng.randrange(10**6):06d}"
    return f"{number}{containers.check_digit(number)}"


def _vessel(rng: Random) -> str:
    return f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)} {rng.randrange(1, 100)}"


def _imo(rng: Random) -> str:
    """Seven digits, the last of which checks the others (IMO resolution A.1117(30))."""
    digits = f"{rng.randrange(910_000, 999_999)}"
    check = sum(int(digit) * weight for digit, weight in zip(digits, range(7, 1, -1), strict=True))
    return f"{digits}{check % 10}"


def _mmsi(rng: Random) -> str:
    """Of China: 412 to 414."""
    return f"{rng.randrange(412, 415)}{rng.randrange(10**6):06d}"


def _train(rng: Random) -> str:
    return f"X{rng.randrange(8000, 10_000)}{rng.choice(_LETTERS)}"


def _plate(rng: Random) -> str:
    return f"{rng.choice(_REGIONS)}{rng.choice(_LETTERS)}{rng.randrange(10**4, 10**5)}"
