"""Every metric of every process, in one place.

A process imports the ones it needs; all of them exist in each process's registry, so that a
dashboard finds zeros rather than gaps.
"""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# a second series per counter, which nothing here reads
disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_SIZES = (1, 10, 100, 500, 1_000, 2_000, 4_000, 10_000, 25_000, 50_000, 100_000)

# edges ---------------------------------------------------------------------------------------
PUBLISHED: Final = Counter(
    "corridor_published_messages", "Messages that Kafka has confirmed.", ["topic"]
)
PUBLISH_FAILURES: Final = Counter(
    "corridor_publish_failures", "Messages that Kafka did not take.", ["topic"]
)
PUSHES: Final = Counter(
    "corridor_push_requests", "Requests of the push gateway.", ["endpoint", "status"]
)
PUSH_SECONDS: Final = Histogram(
    "corridor_push_seconds",
    "From a request's headers to its answer.",
    ["endpoint"],
    buckets=_SECONDS,
)
COMMIT_REQUESTS: Final = Histogram(
    "corridor_commit_requests", "Requests confirmed by one flush.", buckets=_SIZES
)
FILES: Final = Counter(
    "corridor_dropped_files", "Files taken from the drop folder.", ["format", "outcome"]
)
MQTT_MESSAGES: Final = Counter(
    "corridor_mqtt_messages", "Messages that devices sent; other: of no format of ours.", ["format"]
)
MQTT_CONNECTED: Final = Gauge("corridor_mqtt_connected", "1 while the broker is connected.")
AIS_MESSAGES: Final = Counter(
    "corridor_ais_messages", "AIS messages, by what became of them.", ["outcome"]
)

# streams -------------------------------------------------------------------------------------
RECEIVED: Final = Counter("corridor_received_records", "Records read from Kafka.", ["topic"])
REJECTED: Final = Counter(
    "corridor_rejected_messages", "Messages sent to the quarantine.", ["topic", "reason"]
)
EMITTED: Final = Counter("corridor_emitted_messages", "Messages written by workers.", ["topic"])
SKIPPED: Final = Counter(
    "corridor_skipped_records", "Records already counted in the state (after a crash).", ["topic"]
)
BATCH_RECORDS: Final = Histogram(
    "corridor_batch_records", "Records of one partition delivered together.", buckets=_SIZES
)
CHECKPOINT_SECONDS: Final = Histogram(
    "corridor_checkpoint_seconds", "Time to make outputs and state durable.", buckets=_SECONDS
)
CHECKPOINT_BUCKETS: Final = Histogram(
    "corridor_checkpoint_buckets", "State buckets written by one checkpoint.", buckets=_SIZES
)
UNITS: Final = Gauge("corridor_units", "Units in state.")
WAITING: Final = Gauge("corridor_waiting_events", "Events that wait for their itinerary.")
CLOCK: Final = Gauge(
    "corridor_event_time_seconds", "Event time reached (Unix seconds).", ["partition"]
)

# learner -------------------------------------------------------------------------------------
LESSONS: Final = Counter(
    "corridor_lessons", "Lessons that the learner has read, by what they tell.", ["what"]
)
LEARNED_UNTIL: Final = Gauge(
    "corridor_learned_until_seconds",
    "Event time of the last outcome in the model that this process has (Unix seconds).",
)
LESSON_POSITION: Final = Gauge(
    "corridor_lesson_position", "Lessons in the model that this process has, by their offset."
)
LEARN_SECONDS: Final = Counter("corridor_learn_seconds", "Time spent on learning.")
MODEL_BYTES: Final = Counter(
    "corridor_model_bytes", "Bytes published for workers, compressed.", ["kind"]
)
PUBLISH_SECONDS: Final = Histogram(
    "corridor_model_publish_seconds",
    "Time until a change or a whole model was durable.",
    ["kind"],
    buckets=_SECONDS,
)
MODEL_FAILURES: Final = Counter(
    "corridor_model_failures", "Times that a worker could not read models; it tries again."
)

# sinks ---------------------------------------------------------------------------------------
ROWS: Final = Counter("corridor_clickhouse_rows", "Rows that ClickHouse has confirmed.", ["table"])
INSERT_SECONDS: Final = Histogram(
    "corridor_clickhouse_insert_seconds", "Time of one insert.", ["table"], buckets=_SECONDS
)
INSERT_FAILURES: Final = Counter(
    "corridor_clickhouse_insert_failures", "Inserts that will be tried again.", ["table", "code"]
)
INSERT_ROWS: Final = Histogram(
    "corridor_clickhouse_insert_rows", "Rows of one insert.", ["table"], buckets=_SIZES
)
REPEATED_BLOCKS: Final = Counter(
    "corridor_clickhouse_repeated_blocks",
    "Blocks that were declared and not confirmed when their partition was taken over.",
    ["table"],
)
EXPIRED: Final = Counter(
    "corridor_expired_records",
    "Offsets that retention has deleted before they were confirmed to be in their table.",
    ["topic"],
)
RECORD_TO_ROW_SECONDS: Final = Histogram(
    "corridor_record_to_row_seconds",
    "From a record's Kafka timestamp to its row in ClickHouse; the oldest of each block.",
    ["topic"],
    buckets=_SECONDS,
)

# subscribers ----------------------------------------------------------------------------------
DELIVERIES: Final = Counter(
    "corridor_deliveries",
    "Tries to tell subscribers, by what became of them.",
    ["channel", "outcome"],
)
DELIVERY_SECONDS: Final = Histogram(
    "corridor_delivery_seconds", "Time of one try.", ["channel"], buckets=_SECONDS
)
NOTIFIED_SECONDS: Final = Histogram(
    "corridor_notified_seconds",
    "From an incident's record to the subscriber's answer, where the first try succeeds.",
    ["channel"],
    buckets=_SECONDS,
)
SUBSCRIPTIONS: Final = Gauge(
    "corridor_subscriptions", "Subscriptions that this gateway delivers for."
)
UNTOLD: Final = Gauge(
    "corridor_untold_incidents",
    "Incidents of which a subscriber is still to be told, now or later.",
)
STREAMS: Final = Gauge("corridor_streams", "Clients of server-sent events.")
STREAM_EVENTS: Final = Counter("corridor_stream_events", "Server-sent events.")
STREAM_GAPS: Final = Counter(
    "corridor_stream_gaps", "Times that a client had missed what is no longer there."
)
STREAM_SECONDS: Final = Histogram(
    "corridor_stream_seconds", "From an incident's record to its event.", buckets=_SECONDS
)
SUBSCRIBER_REQUESTS: Final = Counter(
    "corridor_subscriber_requests", "Requests of the subscriber gateway.", ["route", "status"]
)

# everywhere ----------------------------------------------------------------------------------
LAG: Final = Gauge(
    "corridor_consumer_lag_records",
    "Records of a partition that are still to be done.",
    ["topic", "partition"],
)
REBALANCES: Final = Counter("corridor_rebalances", "Times that partitions moved.")

ALL: Final[tuple[Counter | Gauge | Histogram, ...]] = (
    PUBLISHED,
    PUBLISH_FAILURES,
    PUSHES,
    PUSH_SECONDS,
    COMMIT_REQUESTS,
    FILES,
    MQTT_MESSAGES,
    MQTT_CONNECTED,
    AIS_MESSAGES,
    RECEIVED,
    REJECTED,
    EMITTED,
    SKIPPED,
    BATCH_RECORDS,
    CHECKPOINT_SECONDS,
    CHECKPOINT_BUCKETS,
    UNITS,
    WAITING,
    CLOCK,
    LESSONS,
    LEARNED_UNTIL,
    LESSON_POSITION,
    LEARN_SECONDS,
    MODEL_BYTES,
    PUBLISH_SECONDS,
    MODEL_FAILURES,
    ROWS,
    INSERT_SECONDS,
    INSERT_FAILURES,
    INSERT_ROWS,
    REPEATED_BLOCKS,
    EXPIRED,
    RECORD_TO_ROW_SECONDS,
    DELIVERIES,
    DELIVERY_SECONDS,
    NOTIFIED_SECONDS,
    SUBSCRIPTIONS,
    UNTOLD,
    STREAMS,
    STREAM_EVENTS,
    STREAM_GAPS,
    STREAM_SECONDS,
    SUBSCRIBER_REQUESTS,
    LAG,
    REBALANCES,
)
