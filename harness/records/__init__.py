"""What a results folder holds: run files, the inventory of its steps, their integrity, pruning, and image credits."""
