CREATE TABLE price_ticks_enriched (
    symbol VARCHAR2(32) NOT NULL,
    price NUMBER(18, 8) NOT NULL,
    volume NUMBER(18, 8) NOT NULL,
    ts TIMESTAMP(6) WITH TIME ZONE NOT NULL,
    ma_1m NUMBER(18, 8),
    ma_5m NUMBER(18, 8),
    vwap_1m NUMBER(18, 8),
    vol_1m NUMBER(28, 8),
    is_anomaly NUMBER(1) NOT NULL,
    anomalies VARCHAR2(2000 CHAR) NOT NULL,
    is_late NUMBER(1) NOT NULL,
    seq NUMBER(19) NOT NULL,
    source_topic VARCHAR2(249) NOT NULL,
    source_partition NUMBER(10) NOT NULL,
    source_offset NUMBER(19) NOT NULL,
    execution NUMBER(19) NOT NULL,
    CONSTRAINT price_ticks_enriched_position UNIQUE (source_topic, source_partition, source_offset, ts)
);

CREATE INDEX price_ticks_enriched_symbol ON price_ticks_enriched (symbol, ts DESC, seq DESC);

CREATE INDEX price_ticks_enriched_anomalies ON price_ticks_enriched (is_anomaly, ts DESC);

CREATE TABLE price_bars (
    symbol VARCHAR2(32) NOT NULL,
    interval_s NUMBER(10) NOT NULL,
    start_time TIMESTAMP(6) WITH TIME ZONE NOT NULL,
    open NUMBER(18, 8) NOT NULL,
    high NUMBER(18, 8) NOT NULL,
    low NUMBER(18, 8) NOT NULL,
    close NUMBER(18, 8) NOT NULL,
    volume NUMBER(28, 8) NOT NULL,
    trades NUMBER(19) NOT NULL,
    vwap NUMBER(18, 8),
    is_final NUMBER(1) NOT NULL,
    version NUMBER(19) NOT NULL,
    CONSTRAINT price_bars_start UNIQUE (symbol, interval_s, start_time)
);
