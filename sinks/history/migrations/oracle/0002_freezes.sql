ALTER TABLE price_history DROP CONSTRAINT price_history_position;

ALTER TABLE price_history ADD CONSTRAINT price_history_position
    UNIQUE (source_topic, source_partition, source_offset, cause, product_id);

CREATE TABLE price_freezes (
    scope VARCHAR2(520 CHAR) NOT NULL,
    reason VARCHAR2(200 CHAR) NOT NULL,
    set_by VARCHAR2(200 CHAR) NOT NULL,
    set_time TIMESTAMP(3) WITH TIME ZONE NOT NULL,
    lifted_time TIMESTAMP(3) WITH TIME ZONE,
    source_topic VARCHAR2(249) NOT NULL,
    source_partition NUMBER(10) NOT NULL,
    source_offset NUMBER(19) NOT NULL,
    CONSTRAINT price_freezes_position UNIQUE (source_topic, source_partition, source_offset)
);

CREATE INDEX price_overrides_time ON price_overrides (set_time DESC);

CREATE INDEX price_freezes_time ON price_freezes (set_time DESC);
