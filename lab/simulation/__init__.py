"""A fleet of nodes that exists only in the API: their kubelets, their kata-deploy, their physics.

It shares names and image references with the product and nothing of the forecast, so that what the forecast foretells
can be wrong here.
"""
