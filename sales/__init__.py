"""Sales: orders, and the price that each of them had."""
