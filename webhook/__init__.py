"""Admission: which profile a new pod gets, what that changes in it, and the answer to the API server.

Nothing here reads the Kubernetes API: namespaces and profiles come from what the process already watches.
"""
