"""A tiny model, and what is told of a faulty method's first task on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty_methods import Plain
from tiny_tasks import Course, tiny_model

from harness.backbones.text_to_image import TextToImage

Teach = Callable[..., list[str]]


@pytest.fixture(scope="module")
def model(tiny_models: Path) -> TextToImage:
    return tiny_model(tiny_models)


@pytest.fixture
def notes(model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> Teach:
    """What is told of a class's first task."""

    def teach(plugin: type[Plain], **changes: Any) -> list[str]:
        model.reset()
        monkeypatch.setattr("faulty_methods.chosen", plugin, raising=False)
        return Course("faulty_methods:chosen", model, **changes).teach().done.notes

    return teach
