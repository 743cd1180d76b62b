CREATE UNIQUE INDEX price_history_rows ON price_history (
    source_topic, source_partition, source_offset,
    cause, product_id, CASE WHEN cause IN ('restored', 'decayed') THEN version ELSE 0 END
);

DROP INDEX price_history_row;

CREATE TABLE signal_history (
    product_id VARCHAR2(64) NOT NULL,
    at_time TIMESTAMP(3) WITH TIME ZONE NOT NULL,
    stock BINARY_DOUBLE,
    clicks_15m NUMBER(19) NOT NULL,
    min_competitor_price NUMBER(12, 2),
    CONSTRAINT signal_history_minute UNIQUE (product_id, at_time)
);
