"""Certificates that Stoker makes, stores, publishes and serves without anybody's help."""
