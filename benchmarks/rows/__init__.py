"""The engines that `make bench-cost` compares: each reads SOURCE, adds demand up by product, and writes one update
for each event to TARGET."""
