"""What a run tells programs that keep track of experiments: events, and one file for each such program."""
