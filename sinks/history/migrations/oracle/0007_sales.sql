CREATE TABLE sales_rows (
    order_id VARCHAR2(128 CHAR) NOT NULL,
    product_id VARCHAR2(64) NOT NULL,
    quantity NUMBER(19) NOT NULL,
    order_time TIMESTAMP(3) WITH TIME ZONE NOT NULL,
    price NUMBER(18, 4),
    price_version NUMBER(19),
    price_source VARCHAR2(16),
    policy VARCHAR2(64),
    revenue NUMBER(30, 4),
    margin NUMBER(30, 4),
    base_revenue NUMBER(30, 4),
    adjustments VARCHAR2(4000 CHAR) NOT NULL,
    is_removed NUMBER(1) NOT NULL,
    version NUMBER(19) NOT NULL,
    CONSTRAINT sales_rows_order PRIMARY KEY (order_id)
);

CREATE INDEX sales_rows_product ON sales_rows (product_id, order_time);

CREATE INDEX sales_rows_time ON sales_rows (order_time);

CREATE TABLE sales_products (
    product_id VARCHAR2(64) NOT NULL,
    product_name VARCHAR2(500 CHAR),
    category VARCHAR2(500 CHAR),
    version NUMBER(19) NOT NULL,
    CONSTRAINT sales_products_id PRIMARY KEY (product_id)
);

CREATE VIEW sales_orders (
    order_id, product_id, quantity, order_time, price, price_version, price_source, policy, revenue, margin,
    base_revenue
) AS SELECT
    order_id, product_id, quantity, order_time, price, price_version, price_source, policy, revenue, margin,
    base_revenue
FROM sales_rows WHERE is_removed = 0;

CREATE VIEW sales_profit AS
SELECT
    r.product_id, p.product_name, sum(r.quantity) AS total_orders, coalesce(sum(r.revenue), 0) AS revenue_estimate
FROM sales_rows r LEFT JOIN sales_products p ON p.product_id = r.product_id
WHERE r.is_removed = 0 GROUP BY r.product_id, p.product_name;
