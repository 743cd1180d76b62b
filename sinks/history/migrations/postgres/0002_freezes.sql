ALTER TABLE price_history DROP CONSTRAINT price_history_position;

ALTER TABLE price_history ADD CONSTRAINT price_history_position
    UNIQUE (source_topic, source_partition, source_offset, cause, product_id);

CREATE TABLE price_freezes (
    scope text NOT NULL,
    reason text NOT NULL,
    set_by text NOT NULL,
    set_time timestamp with time zone NOT NULL,
    lifted_time timestamp with time zone,
    source_topic text NOT NULL,
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    CONSTRAINT price_freezes_position UNIQUE (source_topic, source_partition, source_offset)
);

CREATE INDEX price_overrides_time ON price_overrides (set_time DESC);

CREATE INDEX price_freezes_time ON price_freezes (set_time DESC);
