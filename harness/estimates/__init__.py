"""What a run will take: estimates, and the history of past ones."""
