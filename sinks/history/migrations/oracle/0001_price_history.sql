CREATE TABLE price_history (
    product_id VARCHAR2(64) NOT NULL,
    price NUMBER(12, 2) NOT NULL,
    demand NUMBER NOT NULL,
    price_source VARCHAR2(16) NOT NULL,
    event_time TIMESTAMP(3) WITH TIME ZONE NOT NULL,
    version NUMBER(19) NOT NULL,
    policy VARCHAR2(64) NOT NULL,
    adjustments CLOB NOT NULL CONSTRAINT price_history_json CHECK (adjustments IS JSON),
    cause VARCHAR2(32) NOT NULL,
    source_topic VARCHAR2(249) NOT NULL,
    source_partition NUMBER(10) NOT NULL,
    source_offset NUMBER(19) NOT NULL,
    CONSTRAINT price_history_position UNIQUE (source_topic, source_partition, source_offset, cause)
);

CREATE INDEX price_history_product ON price_history (product_id, event_time DESC, version DESC);

CREATE TABLE price_overrides (
    product_id VARCHAR2(64) NOT NULL,
    override_price NUMBER(12, 2) NOT NULL,
    reason VARCHAR2(200 CHAR) NOT NULL,
    set_by VARCHAR2(200 CHAR) NOT NULL,
    set_time TIMESTAMP(3) WITH TIME ZONE NOT NULL,
    expires_time TIMESTAMP(3) WITH TIME ZONE,
    removed_time TIMESTAMP(3) WITH TIME ZONE,
    source_topic VARCHAR2(249) NOT NULL,
    source_partition NUMBER(10) NOT NULL,
    source_offset NUMBER(19) NOT NULL,
    CONSTRAINT price_overrides_position UNIQUE (source_topic, source_partition, source_offset)
);

CREATE INDEX price_overrides_product ON price_overrides (product_id, set_time DESC);
