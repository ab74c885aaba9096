"""The names of the files that steps leave in the store. Imports nothing."""

WEIGHTS, TOKEN = "weights.safetensors", "token.safetensors"  # of a training or a merge
MEMORY, TRAINING, HEAD = "memory.safetensors", "training.json", "head.safetensors"  # of a training
FEATURES = "features.safetensors"
FIGURES = "figures.json"  # of a score, and of a metric that was asked for
