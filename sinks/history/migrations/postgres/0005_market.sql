CREATE TABLE price_ticks_enriched (
    symbol text NOT NULL,
    price numeric(18, 8) NOT NULL,
    volume numeric(18, 8) NOT NULL,
    ts timestamp with time zone NOT NULL,
    ma_1m numeric(18, 8),
    ma_5m numeric(18, 8),
    vwap_1m numeric(18, 8),
    vol_1m numeric(28, 8),
    is_anomaly boolean NOT NULL,
    anomalies text NOT NULL,
    is_late boolean NOT NULL,
    seq bigint NOT NULL,
    source_topic text NOT NULL,
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    execution bigint NOT NULL,
    CONSTRAINT price_ticks_enriched_position UNIQUE (source_topic, source_partition, source_offset, ts)
) PARTITION BY RANGE (ts);

CREATE INDEX price_ticks_enriched_symbol ON price_ticks_enriched (symbol, ts DESC, seq DESC);

CREATE INDEX price_ticks_enriched_anomalies ON price_ticks_enriched (ts DESC, symbol) WHERE is_anomaly;

CREATE TABLE price_bars (
    symbol text NOT NULL,
    interval_s integer NOT NULL,
    start_time timestamp with time zone NOT NULL,
    open numeric(18, 8) NOT NULL,
    high numeric(18, 8) NOT NULL,
    low numeric(18, 8) NOT NULL,
    close numeric(18, 8) NOT NULL,
    volume numeric(28, 8) NOT NULL,
    trades bigint NOT NULL,
    vwap numeric(18, 8),
    is_final boolean NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT price_bars_start UNIQUE (symbol, interval_s, start_time)
);
