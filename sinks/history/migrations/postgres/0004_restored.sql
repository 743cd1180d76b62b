CREATE UNIQUE INDEX price_history_row ON price_history (
    source_topic, source_partition, source_offset,
    cause, product_id, (CASE cause WHEN 'restored' THEN version ELSE 0 END)
);

ALTER TABLE price_history DROP CONSTRAINT price_history_position;
