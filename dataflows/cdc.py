"""The flow of tables: changes of a Postgres's tables in; messages of `product-catalogue` and `orders` out.

Run it with `python -m bytewax.run dataflows.cdc -r FOLDER`. `build` makes the same flow on any source and sinks."""

from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource
from bytewax.outputs import FixedPartitionedSink

from connectors.postgres_cdc.published import name_order, name_product
from connectors.postgres_cdc.reader import Reader
from connectors.postgres_cdc.rows import INVENTORY, ORDERS
from connectors.postgres_cdc.source import PostgresSource
from connectors.postgres_cdc.state import ReadState, Watched
from connectors.postgres_cdc.steps import Batch
from core.errors import StartRefusedError
from core.placement import Placement
from dataflows.recovery.epochs import forget_uncommitted
from dataflows.startup import ending_the_start, start_kafka, start_process
from settings import Settings
from sinks.base.fan_out import FanOut, Rows
from sinks.kafka.sink import CommandSink

KEY = "tables"
"""One key for all, so that the order of changes is kept."""

TABLES = {"inventory": INVENTORY, "orders": ORDERS}


class Sinks(msgspec.Struct, frozen=True):
    """The destinations of rows, by table. Each takes `(KEY, Outgoing)`."""

    inventory: FixedPartitionedSink[Any, Any]
    orders: FixedPartitionedSink[Any, Any]


def build(changes: FixedPartitionedSource[Batch, Any], sinks: Sinks) -> Dataflow:
    """The flow on this source and these sinks. It starts nothing."""
    flow = Dataflow("cdc")
    found = op.input("tables", flow, changes)
    rows = op.map("encode", found, encode)
    op.output("sinks", rows, FanOut(msgspec.structs.asdict(sinks), placement=Placement(), alone="inventory"))
    return flow


def encode(batch: Batch) -> tuple[str, Rows]:
    """The messages of a batch, for each table."""
    return KEY, Rows(
        0,
        [
            [each for change in batch.get(name, ()) for each in table.encode(change)]
            for name, table in TABLES.items()
        ],
    )


def flow() -> Dataflow:
    """The flow with the source and the sinks of the environment's settings. Ends the process with code 2 if a
    setting is not usable."""
    process, url = start_process("cdc", Settings.load_cdc_url, lambda settings, folder: None)
    settings, folder = process.settings, process.folder
    with ending_the_start():
        if folder is None:
            raise StartRefusedError(
                "the flow of tables needs a recovery folder, which holds its position:"
                " python -m bytewax.run dataflows.cdc -r FOLDER"
            )
        kafka = start_kafka(process, settings.cdc_topics)
    # Before Bytewax reads its store.
    forget_uncommitted(folder)
    catalogue, orders = settings.product_catalogue_topic, settings.orders_topic
    watched = {
        "inventory": Watched(
            settings.cdc_inventory_table, INVENTORY, catalogue, kafka.partitions[catalogue], name_product
        ),
        "orders": Watched(settings.cdc_orders_table, ORDERS, orders, kafka.partitions[orders], name_order),
    }

    def make_reader(state: ReadState | None) -> Reader:
        if process.fence is not None:
            process.fence.note_running()
        return Reader(
            url,
            watched,
            slot=settings.cdc_slot,
            publication=settings.cdc_publication,
            client=kafka.client,
            state=state,
            start_over=settings.start_over == "yes",
            stop=process.stop,
        )

    return build(
        PostgresSource(make_reader, process.stop),
        Sinks(
            inventory=CommandSink(kafka.producer, catalogue, "product_catalogue"),
            orders=CommandSink(kafka.producer, orders, "orders"),
        ),
    )
