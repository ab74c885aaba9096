"""Readers of the published data sets' own files, for the paper tier. Each holds one format; none holds data."""
