"""Which cells a report shows together, and what tells apart those that share a name."""
