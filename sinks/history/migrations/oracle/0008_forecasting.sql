CREATE TABLE forecast_parts (
    version VARCHAR2(64) NOT NULL,
    file_name VARCHAR2(64) NOT NULL,
    part NUMBER(10) NOT NULL,
    content VARCHAR2(4000) NOT NULL,
    CONSTRAINT forecast_parts_part PRIMARY KEY (version, file_name, part)
);

CREATE TABLE forecast_models (
    version VARCHAR2(64) NOT NULL,
    sha256 VARCHAR2(64) NOT NULL,
    parts NUMBER(10) NOT NULL,
    registered_time TIMESTAMP(3) WITH TIME ZONE NOT NULL,
    CONSTRAINT forecast_models_version PRIMARY KEY (version)
);

CREATE TABLE forecast_stages (
    change_number NUMBER(19) NOT NULL,
    version VARCHAR2(64) NOT NULL,
    stage VARCHAR2(16) NOT NULL,
    share NUMBER NOT NULL,
    set_time TIMESTAMP(3) WITH TIME ZONE NOT NULL,
    set_by VARCHAR2(200 CHAR) NOT NULL,
    reason VARCHAR2(500 CHAR) NOT NULL,
    CONSTRAINT forecast_stages_number PRIMARY KEY (change_number)
);

CREATE TABLE demand_hours (
    product_id VARCHAR2(64) NOT NULL,
    start_time TIMESTAMP(6) WITH TIME ZONE NOT NULL,
    units NUMBER(19) NOT NULL,
    p10 NUMBER,
    p50 NUMBER,
    p90 NUMBER,
    mean NUMBER,
    model VARCHAR2(64),
    source VARCHAR2(16),
    version NUMBER(19) NOT NULL,
    CONSTRAINT demand_hours_start UNIQUE (product_id, start_time)
);

CREATE TABLE pricing_decisions (
    request_id VARCHAR2(64) NOT NULL,
    product_id VARCHAR2(64) NOT NULL,
    made_time TIMESTAMP(6) WITH TIME ZONE NOT NULL,
    decision CLOB NOT NULL CONSTRAINT pricing_decisions_json CHECK (decision IS JSON),
    CONSTRAINT pricing_decisions_request UNIQUE (request_id, made_time)
);

CREATE INDEX pricing_decisions_product ON pricing_decisions (product_id, made_time DESC);
