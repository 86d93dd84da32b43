"""One partition's way through the sink: collected, declared, written, confirmed.

There is at most one block under way. What Kafka is to know of a lane is one `statement`, a function
of how far it has come; a commit says it where it differs from what was said last.
"""

from dataclasses import dataclass, field

from sinks.clickhouse.batches import Batch, Block
from sinks.clickhouse.intents import Intent


@dataclass(eq=False)
class Lane:
    """A partition that this process owns.

    Attributes:
        topic_id: Kafka's id of the topic when the partition was taken over.
        batch: What is collected.
        confirmed: All before this offset is in ClickHouse, or in the quarantine.
        block: What is declared or about to be; it begins at `confirmed`.
        said: The statement that Kafka has confirmed last.
    """

    topic_id: str
    batch: Batch
    confirmed: int = field(init=False)
    block: Block | None = None
    said: Intent | None = None

    def __post_init__(self) -> None:
        self.confirmed = self.batch.first

    @property
    def statement(self) -> Intent:
        """What the group's commit has to say of this partition."""
        if self.block is not None:
            return self.block.intent
        # what a former owner has declared stands until all of it has been read
        end = self.confirmed if self.batch.until is None else self.batch.until
        return Intent(self.topic_id, self.batch.table.name, self.confirmed, end)

    def seal(self) -> None:
        """What is collected becomes the block; collecting goes on behind it."""
        self.block = self.batch.seal(self.topic_id)
        self.batch = self.batch.next()

    def confirm(self) -> None:
        """The block is written."""
        assert self.block is not None
        self.confirmed = self.block.intent.end
        self.block = None
