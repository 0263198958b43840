"""The fault suite: what becomes of Stoker's work while parts of it, or of the cluster, fail; docs/reliability.md.

It stands among the benchmarks because it measures with their means: their installation, load
generator, bursts and page.
"""
