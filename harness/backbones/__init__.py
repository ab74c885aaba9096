"""Backbones: loading them, checking their folders, what may be adapted in them, and counting their work."""
