"""The only room that talks to the Kubernetes API. It reads and writes; it decides nothing."""
