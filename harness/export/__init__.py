"""Exporting a trained model: a diffusers folder, LoRA files, embeddings, each with its model card."""
