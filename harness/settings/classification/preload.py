"""Imported before workers are forked: what every step of the classification setting needs, so that it is read once."""

from harness.executors.warm import importing

with importing():
    import timm  # noqa: F401
    import torch._dynamo  # noqa: F401  (optimizers import it at their first step)

    import harness.engine.worker
    import harness.settings.classification.steps  # noqa: F401
