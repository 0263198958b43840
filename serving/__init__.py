"""What the servers share: requests with limits and deadlines, answers in sentences, logs, metrics, health."""
