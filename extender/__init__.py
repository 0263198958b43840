"""kube-scheduler's questions: which nodes can never run a pod, and how good each of the others is."""
