CREATE INDEX price_history_version ON price_history (product_id, version DESC);
