"""Training of the embedded checkpoints: `python -m benchmarks.mini.pretrain --out DIR` (see `__main__`)."""
