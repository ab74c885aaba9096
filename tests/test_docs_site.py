"""The documentation site builds without a warning, every link and anchor found, and has a page of all there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import stamina_bench as sb
from harness import registry
from reports.files import slug

HOME = Path(__file__).parent.parent


def test_it_builds_strictly_and_shows_every_method_benchmark_and_public_name(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")], cwd=HOME, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING -" not in done.stderr
    site = tmp_path / "site"
    known = {name for setting in registry.setting_names() for name in registry.methods(setting).names()}
    for folder, names in (("methods", known), ("benchmarks", registry.benchmarks().names())):
        for name in names:
            assert (site / folder / slug(name) / "index.html").is_file(), name
    api = (site / "api" / "index.html").read_text(encoding="utf-8")
    for name in set(sb.__all__) - {"parts"}:
        assert re.search(rf'id="[\w.]+\.{name}"', api), name
    front = (site / "index.html").read_text(encoding="utf-8")
    assert "Two commands" in front
    assert "https://fonts" not in front  # nothing is fetched
    option = registry.methods().get("stamina").options_class.model_fields["lambda_sparse"]
    assert option.description in (site / "methods" / "stamina" / "index.html").read_text(encoding="utf-8")
    assert "sum_{i&lt;t} |B_i B_t^T|" in (site / "methods" / "o-lora" / "index.html").read_text(encoding="utf-8")
