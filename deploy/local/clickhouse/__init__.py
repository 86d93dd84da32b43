"""The embedded ClickHouse endpoint: the chdb engine behind ClickHouse's own protocols."""
