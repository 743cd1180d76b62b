"""The flow of the lake: price updates in, the Iceberg table `pricewax.price_history` out; beside it, the view
`sales_profit` of the history database as a table.

Run it with `python -m bytewax.run dataflows.lake`. It needs no recovery folder: the table holds its position.
`build` makes the same flow on any source and sink."""

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource
from bytewax.outputs import FixedPartitionedSink

from connectors.topic import TopicRead, TopicSource
from dataflows.startup import ending_the_start, start_kafka, start_process
from dataflows.steps.clock import Clock, wall_clock_ms
from dataflows.steps.decode_updates import decode_read
from settings import Settings
from sinks.lake.batch import PART, LakeBatch

GROUP = "pricewax-lake"


def build(
    messages: FixedPartitionedSource[TopicRead, None],
    sink: FixedPartitionedSink[LakeBatch, None],
    *,
    clock: Clock = wall_clock_ms,
) -> Dataflow:
    """The flow on this source and this sink. It starts nothing. clock: processing time."""
    flow = Dataflow("lake")
    found = op.input("messages", flow, messages)
    decoded = op.map("decode", found, lambda read: (PART, decode_read(read, clock)))
    op.output("lake", decoded, sink)
    return flow


def flow() -> Dataflow:
    """The flow with the source and the sink of the environment's settings. Waits for Kafka and for the lake without
    a time limit. Ends the process with code 2 if a setting is not usable, or if the flow must not start."""
    process, address = start_process("lake", Settings.load_lake_catalog, lambda settings, folder: None)
    settings = process.settings
    # Not before all threads block the signals: these libraries start threads as they are imported.
    from dataflows.lake_tables import open_lake

    with ending_the_start():
        kafka = start_kafka(process, settings.lake_topics)
        lake = open_lake(process, address, kafka.producer)
    source = TopicSource(
        kafka.client, settings.price_updates_topic, lake.positions, process.stop, watch=kafka.watch, group=GROUP
    )
    return build(source, lake.sink)
