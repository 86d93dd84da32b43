"""Views: what people and dashboards query.

All of them are plain views over rows that hold (FINAL, without what was taken back), so that a
correction or a retraction is in every answer at once. A sum that is kept while rows come would
have to be told of each row that is replaced, which nothing tells it. The one thing that is counted
as it comes is deliveries: `sinks.clickhouse.feeds`.
"""

from sinks.clickhouse.views import current, performance, sources
from sinks.clickhouse.views.view import View

VIEWS: tuple[View, ...] = (*current.VIEWS, *performance.VIEWS, *sources.VIEWS)
"""All of them; each after those that it names."""

__all__ = ["VIEWS", "View"]
