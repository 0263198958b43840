"""What a cluster applies: YAML as data, a loader that reads it, and the generator of the CRD."""
