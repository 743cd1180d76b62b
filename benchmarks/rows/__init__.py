"""The engines that `make bench-cost` compares. Each reads the topic SOURCE, adds up demand by product, and writes
one update for each event to the topic TARGET."""
