"""The model card of an export: what it is, its concepts, how to load it, and the call for consent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from harness.backbones.hub import KNOWN, Backbone, hub_place, is_folder
from harness.backbones.layouts import Layout
from harness.errors import presentable
from harness.export.trained_model import Learnt, source_of

CONSENT = (
    "Personalising a model on a person's face without their consent does harm. If a concept is a person, make sure "
    "that they agreed to it, and to whatever you publish; know and respect the sources of the photographs."
)
CITATION = """```bibtex
@article{smith2023stamina,
  title={Continual Diffusion with {STAMINA}: {STack-And-Mask INcremental Adapters}},
  author={Smith, James Seale and Hsu, Yen-Chang and Kira, Zsolt and Shen, Yilin and Jin, Hongxia},
  journal={arXiv preprint arXiv:2311.18763},
  year={2023}
}
```"""


def model_card(
    state: Learnt, layout: Layout, loading: str, notes: Mapping[str, str], names: Mapping[str, str] | None = None,
    usage: str = "",
) -> str:  # fmt: skip
    """Markdown with a YAML head, as model hubs read it.

    Args:
        layout: The backbone's family. loading: Python that loads it.
        notes: what else to say in the table, name -> text.
        names: '<v3>' -> what its embedding is called, of those that were written; None: all, as they are.
        usage: how other programs use it, as Markdown.
    """
    cell = state.cell
    called = (
        {token: f"<{name}>" for token, name in names.items()} if names else {token: token for token in state.names()}
    )
    head: dict[str, Any] = {
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "tags": [layout.title.lower().replace(" ", "-"), "continual-customization", cell.method],
    }
    known = _known(source_of(state))
    if known is not None:
        head |= {"license": known.licence, "base_model": known.repository}
    licence = f", {known.licence}" if known else ""
    facts = {
        "method": cell.label, "after task": f"{state.after} of {cell.tasks_total}", "benchmark": cell.title,
        "backbone": cell.backbone, "seed": str(cell.seed), **notes,
    }  # fmt: skip
    concepts = [
        f"| `{called[token]}` | {plain(task.name)} | {plain(task.category)} "
        f"| `{code(state.prompt(task).replace(token, called[token]))}` |"
        for token, task in state.names().items() if token in called
    ]  # fmt: skip
    lines = [
        "---", yaml.safe_dump(head, sort_keys=False).strip(), "---", "",
        f"# {plain(cell.method)}: {len(called)} concept{'s' * (len(called) > 1)}", "",
        "| | |", "|---|---|", *(f"| {name} | {plain(text)} |" for name, text in facts.items()), "",
        "In the folder that holds this one:", "",
        "```python", loading.strip(), "```", "", *([usage, ""] if usage else []),
        "| token | concept | category | prompt |", "|---|---|---|---|", *concepts, "",
        "## Consent", "", CONSENT, "",
        "## Licence", "",
        f"The licence of the base model ({plain(cell.backbone)}{licence}) holds for these weights, and the terms of "
        "the photographs for what was learnt from them.", "",
        "## Citation", "", CITATION, "",
    ]  # fmt: skip
    return "\n".join(lines)


def _known(source: str) -> Backbone | None:
    """The backbone whose licence is known; a folder may have its name, and hold anything."""
    found = None if is_folder(source) else hub_place(source)
    return next((known for known in KNOWN.values() if found and found[0] == known.repository), None)


def plain(text: str) -> str:
    """On one line, with nothing that Markdown or HTML would act on."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|&-])", r"\\\1", " ".join(presentable(text).split())).replace(r"\-", "-")


def code(text: str) -> str:
    """For a span of code in a table."""
    return " ".join(text.split()).replace("`", "'").replace("|", "/")
