"""Every metric of the embedded ClickHouse, in one list."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()

# Clients connected now, by interface (native, http).
CONNECTIONS: Final = Gauge(
    "corridor_clickhouse_connections", "Clients connected now", ["interface"], registry=REGISTRY
)
# Queries that ended, by interface, kind of statement and outcome (ok, error, cancelled).
QUERIES: Final = Counter(
    "corridor_clickhouse_queries",
    "Queries ended",
    ["interface", "kind", "outcome"],
    registry=REGISTRY,
)
# Errors sent to clients, by ClickHouse's code.
ERRORS: Final = Counter(
    "corridor_clickhouse_errors", "Errors sent to clients", ["code"], registry=REGISTRY
)
# From a query's arrival to its last packet.
QUERY_SECONDS: Final = Histogram(
    "corridor_clickhouse_query_seconds",
    "Duration of queries",
    ["interface"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120),
    registry=REGISTRY,
)
# Rows that clients inserted by blocks (native protocol).
INSERTED_ROWS: Final = Counter(
    "corridor_clickhouse_inserted_rows", "Rows inserted over the native protocol", registry=REGISTRY
)
# Bytes handed to the engine by inserts, after decompression.
INSERTED_BYTES: Final = Counter(
    "corridor_clickhouse_inserted_bytes",
    "Bytes handed to the engine",
    ["interface"],
    registry=REGISTRY,
)
# Bytes of results, before compression.
RESULT_BYTES: Final = Counter(
    "corridor_clickhouse_result_bytes", "Bytes of results", ["interface"], registry=REGISTRY
)
# Steps of work that wait for an engine worker: above zero for long means too few workers.
WAITING_STEPS: Final = Gauge(
    "corridor_clickhouse_waiting_steps", "Steps waiting for an engine worker", registry=REGISTRY
)
# Queries killed because their client left, cancelled or stopped reading.
KILLED: Final = Counter(
    "corridor_clickhouse_killed",
    "Queries killed for their client's sake",
    ["reason"],
    registry=REGISTRY,
)
# Connections ended because what came could not be understood.
MALFORMED: Final = Counter(
    "corridor_clickhouse_malformed", "Connections ended on malformed input", registry=REGISTRY
)
