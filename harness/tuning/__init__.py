"""Choosing methods' options on the tuning sequence."""
