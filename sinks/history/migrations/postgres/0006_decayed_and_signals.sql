CREATE UNIQUE INDEX price_history_rows ON price_history (
    source_topic, source_partition, source_offset,
    cause, product_id, (CASE WHEN cause IN ('restored', 'decayed') THEN version ELSE 0 END)
);

DROP INDEX price_history_row;

CREATE TABLE signal_history (
    product_id text NOT NULL,
    at_time timestamp with time zone NOT NULL,
    stock double precision,
    clicks_15m bigint NOT NULL,
    min_competitor_price numeric(12, 2),
    CONSTRAINT signal_history_minute UNIQUE (product_id, at_time)
);
