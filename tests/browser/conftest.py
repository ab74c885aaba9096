"""A page in Chromium, watched: errors, requests and pop-ups are kept for the test to look at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from harness.results import CellResult, Composition, Row, TaskResult

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")


class Watched:
    """A page of the browser with what went on in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.popups: list[str] = []
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", lambda request: self.complaints.append(f"not loaded: {request.url}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", self._dismiss)

    def _dismiss(self, dialog: Any) -> None:
        self.popups.append(dialog.message)
        dialog.dismiss()

    def open(self, folder: Path) -> Page:
        """Open the report in the folder, from the file system."""
        self.page.goto((folder / "index.html").as_uri())
        return self.page

    def assert_quiet(self, folder: Path) -> None:
        """Nothing was complained of or popped up, and nothing but files of the report was asked for."""
        assert self.complaints == []
        assert self.popups == []
        assert [url for url in self.requests if not url.startswith((f"{folder.as_uri()}/", "data:"))] == []


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of this machine; nothing is downloaded."""
    api = pytest.importorskip("playwright.sync_api", reason="the browser tests need the package 'playwright'")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"the browser tests need one of the programs {', '.join(NAMES)}")
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium's sandbox refuses the superuser
    with api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=["--no-sandbox"] if root else [])
        yield chromium
        chromium.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A fresh page, light and wide."""
    page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="light")
    yield Watched(page)
    page.close()


@pytest.fixture
def cell(tmp_path: Path) -> Callable[..., CellResult]:
    """A factory of cells of three tasks with all X_{i,j}, each of a colour of its own, and one composition."""

    def make(label: str = "stamina", seed: int = 0, a_mmd: float = 1.0, word: str = "", **other: Any) -> CellResult:
        common: dict[str, Any] = {
            "benchmark": word or "toy", "tier": "mini", "backbone": "tiny", "method": label, "seed": seed,
            "partial": False,
        }  # fmt: skip
        number = sum(map(ord, label)) + 7 * seed

        def images(name: str, colour: tuple[int, int, int]) -> Path:
            folder = tmp_path / "store" / name
            folder.mkdir(parents=True, exist_ok=True)
            for k in range(3):
                Image.new("RGB", (64, 64), (colour[0], colour[1], 60 * k)).save(folder / f"{k:02d}.png")
            return folder

        tasks, rows = [], list[Row]()

        def row(metric: str, value: float, **extra: Any) -> None:
            rows.append(Row(**common, metric=metric, value=value, n=3, unit="1e-3", **extra))  # type: ignore[arg-type]

        row("a_mmd", a_mmd)
        row("f_mmd", a_mmd / 10)
        for j in range(1, 4):
            after = {i: images(f"{number}-{i}-{j}", (60 * i, 60 * j, 0)) for i in range(j, 4)}
            tasks.append(
                TaskResult(
                    index=j, name=word or f"person {j}", category=word or "person",
                    real=images(f"real-{j}", (255, 0, 0)), generated=after[3], after=after,
                )
            )  # fmt: skip
            row("a_mmd", a_mmd + j, task=j)
            row("learned_mmd", a_mmd - 0.5, task=j)
            row("f_mmd", 0.25, task=j)
            for i in after:
                row("mmd", 10.0 * i + j, task=j, after=i)
        return CellResult(
            **common, title=word or "Toy sequence", label=label, options=other.pop("options", {"rank": 4}),
            tasks_total=3, tasks=tuple(tasks), rows=tuple(rows),
            protocol=other.pop("protocol", {"kernel": "polynomial"}),
            compositions=(Composition(prompt=word or "V1 next to V2", tasks=(1, 2), images=tasks[0].generated),),
            key=f"key{number}", store=tmp_path / "store",
        )  # fmt: skip

    return make
