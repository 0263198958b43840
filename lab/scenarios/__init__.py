"""The same pods in the same trouble, placed by plain and tuned kube-schedulers, by Stoker, and by omniscience.

A story (lab/stories.py) says what there is and what happens; a trial lets one mode go through it on the real scheduler
and the simulated fleet; the omniscient placement is computed from the simulation's own physics; verdicts hold the modes
against each other.
"""
