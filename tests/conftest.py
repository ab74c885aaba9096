"""Fixtures that all tests share: small checkpoints, and a tier on them."""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from tiny_models import make_tiny_models

from harness.spec import Sampling, Tier

# a shell lets its background jobs ignore Ctrl-C, and so would the runs that the tests start and interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

gc.disable()  # until all is imported, which makes a million objects that stay


def pytest_collection_finish() -> None:
    """What is imported by now is not looked through again at every collection of garbage."""
    gc.freeze()
    gc.enable()


# how fast the machine is shall not decide whether a test passes
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("patient", max_examples=30, **PATIENT)
settings.register_profile("deep", max_examples=300, **PATIENT)  # of `nox -s torture`
settings.load_profile("patient")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes, such as files made in a test, are no name of it: a profile holds the second in which it was made,
    and workers that collect other names than their neighbours stop the suite."""
    return argname if isinstance(val, bytes) and len(val) > 32 else None


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_prepared_data(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What someone has prepared on this machine shall not decide whether a test passes."""
    monkeypatch.setenv("STAMINA_BENCH_DATA_DIR", str(tmp_path_factory.getbasetemp() / "nothing-prepared"))


@pytest.fixture(autouse=True)
def _doctor_tries_no_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """`doctor` tries all imports in a process of its own, which takes seconds: tests of that call `try_imports`."""
    monkeypatch.setattr("harness.doctor.try_imports", lambda modules: dict.fromkeys(modules, ""))


@pytest.fixture(scope="session", autouse=True)
def _fonts_soon_set() -> int:
    """Figures of most tests hold type 3 fonts: to take a TrueType font's letters takes half of a report's time."""
    style = sys.modules.get("reports.figures.style")
    as_shipped = getattr(style, "PDF_FONT_TYPE", 0)
    if style is not None:
        style.PDF_FONT_TYPE = 3  # type: ignore[attr-defined]
    return as_shipped


@pytest.fixture
def fonts_as_shipped(_fonts_soon_set: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are saved with the fonts that users get."""
    monkeypatch.setattr("reports.figures.style.PDF_FONT_TYPE", _fonts_soon_set)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny models, made once a session."""
    return make_tiny_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def tiny_tier(tiny_models: Path) -> Tier:
    """A tier on the tiny models: 3 sampling steps, 4 images."""
    return Tier(
        name="mini",
        summary="tiny random models",
        backbone=str(tiny_models / "sd"),
        extractor=str(tiny_models / "clip"),
        resolution=16,
        device="cpu",
        sampling=Sampling(images=4, steps=3, guidance_scale=2.0, eta=0.0, batch_size=4),
    )
