"""What the command line and Python share: a request turned into a run, carried out, and what it gives back."""
