"""A learner process that counts: `python -m tests.integration.streams.counting_process`."""

import argparse

from corridor import settings
from corridor.observability import configure_logging
from streams.learner import run
from streams.publication import Policy
from tests.unit.streams.counting import CountingLearner

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--metrics-port", type=int, required=True)
    parser.add_argument("--full-bytes", type=int, default=20_000)
    arguments = parser.parse_args()
    configure_logging()
    # small, so that a test has many whole models
    policy = Policy(full_bytes=arguments.full_bytes)
    run(settings.load(), arguments.metrics_port, CountingLearner, policy)
