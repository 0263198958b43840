"""The opponents and the load generator, in Go; see `benchmarks.opponents` for how they are built."""
