CREATE TABLE forecast_parts (
    version text NOT NULL,
    file_name text NOT NULL,
    part integer NOT NULL,
    content text NOT NULL,
    CONSTRAINT forecast_parts_part PRIMARY KEY (version, file_name, part)
);

CREATE TABLE forecast_models (
    version text NOT NULL,
    sha256 text NOT NULL,
    parts integer NOT NULL,
    registered_time timestamp with time zone NOT NULL,
    CONSTRAINT forecast_models_version PRIMARY KEY (version)
);

CREATE TABLE forecast_stages (
    change_number bigint NOT NULL,
    version text NOT NULL,
    stage text NOT NULL,
    share double precision NOT NULL,
    set_time timestamp with time zone NOT NULL,
    set_by text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT forecast_stages_number PRIMARY KEY (change_number)
);

CREATE TABLE demand_hours (
    product_id text NOT NULL,
    start_time timestamp with time zone NOT NULL,
    units bigint NOT NULL,
    p10 double precision,
    p50 double precision,
    p90 double precision,
    mean double precision,
    model text,
    source text,
    version bigint NOT NULL,
    CONSTRAINT demand_hours_start UNIQUE (product_id, start_time)
) PARTITION BY RANGE (start_time);

CREATE TABLE pricing_decisions (
    request_id text NOT NULL,
    product_id text NOT NULL,
    made_time timestamp with time zone NOT NULL,
    decision jsonb NOT NULL,
    CONSTRAINT pricing_decisions_request UNIQUE (request_id, made_time)
) PARTITION BY RANGE (made_time);

CREATE INDEX pricing_decisions_product ON pricing_decisions (product_id, made_time DESC);
