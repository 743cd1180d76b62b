CREATE UNIQUE INDEX price_history_rows ON price_history (
    source_topic, source_partition, source_offset,
    cause, product_id, (CASE WHEN cause IN ('restored', 'decayed') THEN version ELSE 0 END)
);

DROP INDEX price_history_row;
