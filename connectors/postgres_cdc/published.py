"""Rows that earlier messages of a topic hold, so that those that a table no longer has can be removed."""

import sys
from collections.abc import Callable, Generator

import msgspec
from confluent_kafka import OFFSET_BEGINNING, KafkaError, Message, TopicPartition

import telemetry
from clients.kafka import ClientOptions, make_consumer
from clients.throttle import Throttle
from connectors.decode.wire import lsn_of

READ_MESSAGES = 5_000
READ_S = 0.1
GROUP = "pricewax-cdc"
"""Only a name: partitions are assigned by hand."""

Names = Callable[[bytes, bytes | None], tuple[str, str | None, bool] | None]
"""(key, value) of a message -> id of the row, its product, and true for a removal. None for a message that names no
row."""

log = telemetry.get_logger("cdc")


class Known(msgspec.Struct, frozen=True, gc=False):
    """The newest message of a row. lsn: as in its header. product: its product, None if that is not known."""

    lsn: int
    removed: bool
    product: str | None


class Published(msgspec.Struct):
    """The rows that a topic holds. highest: position of the newest message; -1 if there is none."""

    rows: dict[str, Known]
    highest: int = -1

    def note(self, message: Message, names: Names) -> None:
        """Take a message in, if it has a position: others are not from a table."""
        lsn = lsn_of(message.headers())  # type: ignore[arg-type]
        if lsn is None:
            return
        self.highest = max(self.highest, lsn)
        named = names(message.key() or b"", message.value())
        if named is None:
            return
        row_id, product, removed = named
        known = self.rows.get(row_id)
        # Of equal positions, a removal is the older: an order that changed its product has both.
        if known is None or (known.lsn, not known.removed) <= (lsn, not removed):
            self.rows[row_id] = Known(lsn, removed, product)

    def keep_before(self, lsn: int) -> None:
        """Forget rows that are removed, and those with a message from a position or from behind it."""
        self.rows = {key: known for key, known in self.rows.items() if not known.removed and known.lsn < lsn}


def read_published(
    client: ClientOptions, topic: str, partitions: int, names: Names
) -> Generator[None, None, Published]:
    """Read a topic from its beginning to its end. Yields now and then, so that the caller can do other work;
    returns the rows. Waits for Kafka without a time limit."""
    consumer = make_consumer(client, GROUP, {"enable.partition.eof": True})
    published = Published({})
    left = set(range(partitions))
    throttle = Throttle()
    throttle.is_due()
    count = 0
    try:
        consumer.assign([TopicPartition(topic, index, OFFSET_BEGINNING) for index in left])
        while left:
            for message in consumer.consume(READ_MESSAGES, READ_S):
                error = message.error()
                if error is None:
                    count += 1
                    published.note(message, names)
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
                elif throttle.is_due():
                    log.warning("a topic cannot be read yet", topic=topic, reason=error.str())
            if throttle.is_due():
                log.info("reading what was published", topic=topic, messages=count)
            yield
        return published
    finally:
        consumer.close()


class _OrderNames(msgspec.Struct, gc=False):
    order_id: str | int
    product_id: str | int | None = None
    op: str = "c"


_decode_order = msgspec.json.Decoder(_OrderNames).decode


def name_product(key: bytes, value: bytes | None) -> tuple[str, str | None, bool]:
    """The product of a message of `product-catalogue`."""
    product_id = key.decode(errors="replace")
    return product_id, product_id, value is None


def name_order(key: bytes, value: bytes | None) -> tuple[str, str | None, bool] | None:
    """The order of a message of `orders`."""
    try:
        order = _decode_order(value or b"")
    except msgspec.MsgspecError:
        return None
    product_id = None if order.product_id is None else sys.intern(str(order.product_id))
    return str(order.order_id), product_id, order.op == "d"
