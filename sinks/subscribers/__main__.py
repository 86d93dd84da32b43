"""`python -m sinks.subscribers`: the subscriber gateway as a process."""

import argparse
import gc
import logging

from aiokafka.errors import KafkaError

from corridor import settings
from corridor.observability import configure_logging
from sinks.subscribers import server
from sinks.subscribers.feed import TopicMissingError


def main() -> None:
    """Runs until SIGTERM or SIGINT."""
    known = settings.load()
    parser = argparse.ArgumentParser(prog="python -m sinks.subscribers", description=__doc__)
    parser.add_argument(
        "--metrics-port",
        type=int,
        default=known.subscribers_metrics_port,
        help="metrics and health; 0 takes a free port (default: %(default)s)",
    )
    arguments = parser.parse_args()
    configure_logging(known.log_level)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what fails is said once, by us
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    try:
        server.run(known, arguments.metrics_port)
    except TopicMissingError as error:
        raise SystemExit(str(error)) from None
    except KafkaError as error:
        raise SystemExit(f"Kafka at {known.kafka} (CORRIDOR_KAFKA): {error!r}") from None
    except OSError as error:
        raise SystemExit(
            f"cannot listen (CORRIDOR_SUBSCRIBERS_PORT, …_METRICS_PORT): {error}"
        ) from None


if __name__ == "__main__":
    main()
