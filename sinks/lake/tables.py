"""The tables of the lake: their columns and partitions."""

import msgspec
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform
from pyiceberg.types import (
    DecimalType,
    DoubleType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
)

NAMESPACE = "pricewax"

PRICE = DecimalType(18, 4)
"""An amount of a currency: no currency has more than four decimals."""


class LakeTableKind(msgspec.Struct, frozen=True):
    """A table. mark: the property of a snapshot that says what the table holds. day_of: the column whose day is the
    partition. sorted_by: the order of rows in a file."""

    name: str
    schema: Schema
    day_of: str
    mark: str
    sorted_by: tuple[str, ...]

    @property
    def partitions(self) -> PartitionSpec:
        """One partition for each day (UTC)."""
        field = self.schema.find_field(self.day_of)
        return PartitionSpec(
            PartitionField(source_id=field.field_id, field_id=1000, transform=DayTransform(), name="day")
        )


ADJUSTMENT = StructType(
    NestedField(21, "rule", StringType(), required=False),
    NestedField(22, "amount", DoubleType(), required=False),
    NestedField(23, "reason", StringType(), required=False),
)

PRICE_HISTORY = LakeTableKind(
    "price_history",
    Schema(
        NestedField(1, "product_id", StringType(), required=True),
        NestedField(2, "version", LongType(), required=True),
        NestedField(3, "price", PRICE, required=True),
        NestedField(4, "previous_price", PRICE, required=False),
        NestedField(5, "price_source", StringType(), required=False),
        NestedField(6, "demand", DoubleType(), required=False),
        NestedField(7, "event_time", TimestamptzType(), required=True),
        NestedField(8, "policy", StringType(), required=False),
        NestedField(9, "adjustments", ListType(20, ADJUSTMENT, element_required=False), required=False),
        NestedField(10, "source_topic", StringType(), required=False),
        NestedField(11, "source_partition", IntegerType(), required=True),
        NestedField(12, "source_offset", LongType(), required=True),
    ),
    day_of="event_time",
    mark="pricewax.offsets",
    sorted_by=("product_id", "version"),
)

SALES_PROFIT = LakeTableKind(
    "sales_profit",
    Schema(
        NestedField(1, "product_id", StringType(), required=True),
        NestedField(2, "product_name", StringType(), required=False),
        NestedField(3, "total_orders", LongType(), required=True),
        NestedField(4, "revenue_estimate", DecimalType(28, 4), required=True),
        NestedField(5, "as_of", TimestamptzType(), required=True),
    ),
    day_of="as_of",
    mark="pricewax.as-of",
    sorted_by=("product_id",),
)
