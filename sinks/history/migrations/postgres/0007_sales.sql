CREATE TABLE sales_rows (
    order_id text NOT NULL,
    product_id text NOT NULL,
    quantity bigint NOT NULL,
    order_time timestamp with time zone NOT NULL,
    price numeric(18, 4),
    price_version bigint,
    price_source text,
    policy text,
    revenue numeric(30, 4),
    margin numeric(30, 4),
    base_revenue numeric(30, 4),
    adjustments text NOT NULL,
    is_removed boolean NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT sales_rows_order PRIMARY KEY (order_id)
);

CREATE INDEX sales_rows_product ON sales_rows (product_id, order_time);

CREATE INDEX sales_rows_time ON sales_rows (order_time);

CREATE TABLE sales_products (
    product_id text NOT NULL,
    product_name text,
    category text NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT sales_products_id PRIMARY KEY (product_id)
);

CREATE VIEW sales_orders (
    order_id, product_id, quantity, order_time, price, price_version, price_source, policy, revenue, margin,
    base_revenue
) AS SELECT
    order_id, product_id, quantity, order_time, price, price_version, price_source, policy, revenue, margin,
    base_revenue
FROM sales_rows WHERE NOT is_removed;

CREATE VIEW sales_profit AS
SELECT
    r.product_id, p.product_name, sum(r.quantity) AS total_orders, coalesce(sum(r.revenue), 0) AS revenue_estimate
FROM sales_rows r LEFT JOIN sales_products p ON p.product_id = r.product_id
WHERE NOT r.is_removed GROUP BY r.product_id, p.product_name;
