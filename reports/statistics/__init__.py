"""Intervals, paired differences and spreads over orders, and how they read."""
