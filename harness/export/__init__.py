"""Exporting a trained model: as a diffusers folder or a LoRA file, with its model card."""
