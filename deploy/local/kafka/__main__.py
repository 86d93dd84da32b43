"""`python -m deploy.local.kafka --data DIR --port N`: the embedded Kafka, in the foreground."""

import argparse
import sys
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.kafka.server import Broker


def main() -> None:
    """Reads the command line and becomes the broker."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.kafka", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data directory")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=9092, help="port to listen on")
    parser.add_argument("--heap-mb", type=int, default=512, help="the JVM's heap, at most")
    arguments = parser.parse_args()
    broker = Broker(
        data=arguments.data.absolute(),
        host=arguments.host,
        port=arguments.port,
        heap_mb=arguments.heap_mb,
    )
    try:
        broker.run()
    except StackError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
