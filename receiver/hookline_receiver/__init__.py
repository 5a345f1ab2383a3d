"""The receiver: verifies deliveries and commits them to Redis, and does nothing else."""
