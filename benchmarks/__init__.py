"""Benchmarks: what Stoker does beside what it stands in for, measured in the same run on the real control plane."""
