"""The regression check: a run's figures against a committed baseline."""
