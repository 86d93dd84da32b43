"""`python -m sinks.clickhouse`: the sink as a process."""

import argparse
import gc
import logging
import signal
from types import FrameType

from kafka.errors import KafkaError

from corridor import settings
from corridor.observability import ObservabilityServer, configure_logging
from sinks.clickhouse import selftest
from sinks.clickhouse.consumer import Sink
from sinks.clickhouse.tables import TABLES


def main() -> None:
    """Runs until SIGTERM or SIGINT."""
    known = settings.load()
    parser = argparse.ArgumentParser(prog="python -m sinks.clickhouse", description=__doc__)
    parser.add_argument(
        "--metrics-port",
        type=int,
        default=known.sink_metrics_port,
        help="metrics and health; 0 takes a free port (default: %(default)s)",
    )
    arguments = parser.parse_args()
    configure_logging(known.log_level)
    logging.getLogger("kafka").setLevel(logging.WARNING)
    logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)  # what it raises is logged
    # tens of thousands of short-lived records a second: the usual thresholds cost half the time
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    try:
        sink = Sink(known)
    except KafkaError as error:
        raise SystemExit(
            f"Kafka at {known.kafka} does not answer (CORRIDOR_KAFKA): {error}"
        ) from None

    def stop(signum: int, frame: FrameType | None) -> None:
        sink.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with ObservabilityServer(
        known.host, arguments.metrics_port, healthy=sink.healthy, ready=sink.ready
    ):
        try:
            selftest.run(known, TABLES, stopped=sink.stopped)
        except selftest.Unfit as error:
            raise SystemExit(
                f"Not fit for exactly once (CORRIDOR_DELIVERY=at-least-once goes on): {error}"
            ) from None
        sink.run()


if __name__ == "__main__":
    main()
