"""N_param: what a method trains in one task, in percent of the unmodified U-Net."""

from __future__ import annotations

from typing import Any

import torch

from harness import registry
from harness.backbones.adapters import count_trained, discard
from harness.backbones.pipeline_files import check_denoiser
from harness.errors import UsageError, first_line
from harness.overrides import method_names


def count_parameters(backbone: str, names: str) -> list[dict[str, Any]]:
    """One record a method, and one for all K/V matrices: {method, parameters, unet_parameters, n_param}.

    Args:
        backbone: a known name ('sd-1.4') for its true architecture on the meta device, or a pipeline in a folder or in
            the local hub cache.
        names: comma-separated method names, or 'all'.

    Raises:
        UsageError: an unknown method, or a backbone that cannot be loaded.
    """
    from harness.backbones.architecture import blueprint
    from harness.backbones.on_meta import Architecture

    folder = check_denoiser(backbone)
    plan = blueprint(backbone, folder=folder)
    try:
        model = Architecture(plan)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"--backbone '{backbone}' cannot be counted ({first_line(error)}); check its config.json files."
        ) from error
    total = sum(p.numel() for p in model.denoiser.parameters())
    rows: list[dict[str, Any]] = []
    for name in method_names(names):
        plugin = registry.methods().get(name)
        method = plugin(plugin.options_class.for_tier("paper"))
        model.adapt(method.adapts)
        token = method.begin_task(model, torch.Generator().manual_seed(0))
        trained = count_trained(model, token)
        discard(model.projections.values())
        model.adapt("text")
        rows.append({"method": name, "parameters": trained, "unet_parameters": total, "n_param": 100 * trained / total})
    entries = sum(p.weight.numel() for p in model.projections.values())
    rows.append(
        {
            "method": "(all K/V matrices)",
            "parameters": entries,
            "unet_parameters": total,
            "n_param": 100 * entries / total,
        }
    )
    return rows
