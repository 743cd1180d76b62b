CREATE TABLE price_history (
    product_id text NOT NULL,
    price numeric(12, 2) NOT NULL,
    demand double precision NOT NULL,
    price_source text NOT NULL,
    event_time timestamp with time zone NOT NULL,
    version bigint NOT NULL,
    policy text NOT NULL,
    adjustments jsonb NOT NULL,
    cause text NOT NULL,
    source_topic text NOT NULL,
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    CONSTRAINT price_history_position UNIQUE (source_topic, source_partition, source_offset, cause)
);

CREATE INDEX price_history_product ON price_history (product_id, event_time DESC, version DESC);

CREATE TABLE price_overrides (
    product_id text NOT NULL,
    override_price numeric(12, 2) NOT NULL,
    reason text NOT NULL,
    set_by text NOT NULL,
    set_time timestamp with time zone NOT NULL,
    expires_time timestamp with time zone,
    removed_time timestamp with time zone,
    source_topic text NOT NULL,
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    CONSTRAINT price_overrides_position UNIQUE (source_topic, source_partition, source_offset)
);

CREATE INDEX price_overrides_product ON price_overrides (product_id, set_time DESC);
