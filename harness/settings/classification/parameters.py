"""N_param in the classification setting: what a method trains in one task, in percent of the ViT without its head."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from harness import registry
from harness.backbones.classifier_files import read_config
from harness.backbones.hub import is_folder
from harness.errors import UsageError, first_line
from harness.overrides import method_names

TASKS = 20  # among so many a method shares what it sets aside, as in the paper's Figure 6
NAME = re.compile(r"(?:timm/)?(?P<architecture>(?:vit|deit)_[a-z0-9_]+)(?:\.[a-z0-9_]+)?(?:@.+)?")


def find_vit(source: str) -> tuple[str, dict[str, Any]]:
    """Architecture and settings of a timm ViT, by its folder, or by its name, with which no weights are needed.

    Raises:
        UsageError: it is neither.
    """
    if is_folder(source):
        return read_config(Path(source).expanduser())
    if named := NAME.fullmatch(source):
        return named["architecture"], {}
    raise UsageError(
        f"--backbone '{source}' is no ViT; give a timm model's folder, or a name such as vit_base_patch16_224."
    )


def count_class_parameters(backbone: str, names: str) -> list[dict[str, Any]]:
    """One record a method, and one for all Q/K/V matrices: {method, parameters, vit_parameters, n_param}.

    Options are the paper tier's, and the task is one of `TASKS`; the head is not counted. Weights stay on the meta
    device.

    Args:
        backbone: see `find_vit`. names: comma-separated method names, or 'all'.

    Raises:
        UsageError: an unknown method, or no such ViT.
    """
    architecture, settings = find_vit(backbone)
    import timm
    import torch
    from timm.models.vision_transformer import VisionTransformer

    from harness.backbones.adapters import attached, count_trained, discard
    from harness.backbones.classifier import Classifier

    try:
        with torch.device("meta"):
            vit = timm.create_model(architecture, pretrained=False, num_classes=0, **settings)
            if not isinstance(vit, VisionTransformer):
                raise ValueError("it is no plain ViT")
            model = Classifier(vit, torch.device("meta"))
    except (RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"--backbone '{backbone}' cannot be counted ({first_line(error)}); name another ViT."
        ) from error
    total = model.parameters
    rows: list[dict[str, Any]] = []

    def add(name: str, parameters: int) -> None:
        share = 100 * parameters / total
        rows.append({"method": name, "parameters": parameters, "vit_parameters": total, "n_param": share})

    for name in method_names(names, "classification"):
        plugin = registry.methods("classification").get(name)
        method = plugin(plugin.options_for("classification").for_tier("paper"))
        method.task_index, method.num_tasks = 1, TASKS
        module = method.begin_task(model, torch.Generator().manual_seed(0))
        add(name, count_trained(model, module))
        discard(model.projections.values())
        assert not attached(model.projections.values())
        model.vit.requires_grad_(False)
    add("(all Q/K/V matrices)", sum(projection.weight.numel() for projection in model.projections.values()))
    return rows
