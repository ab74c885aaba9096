"""Imported before workers are forked: what every step of the customization setting needs, so that it is read once."""

from harness.executors.warm import importing

with importing():
    import torch._dynamo  # noqa: F401  (optimizers import it at their first step)
    from diffusers import DDIMScheduler, StableDiffusionPipeline  # noqa: F401
    from open_clip import create_model  # noqa: F401
    from transformers import CLIPTextModel, CLIPTokenizer  # noqa: F401

    import harness.engine.worker
    import harness.settings.customization.steps  # noqa: F401
