"""The page without a browser: what stands in it, what it must not show, and the size of its thumbnails."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness import registry
from harness.errors import StoreError
from harness.results import METRICS, CellResult, Composition, Metric, Row, TaskResult, Unfinished
from reports.page import write_page
from reports.page.figures import figure_groups
from reports.page.pictures import Pictures, steps
from reports.page.public import data_block, public, public_path
from reports.page.thumbnails import Size, strip
from reports.tables.columns import presentation

Make = Callable[..., CellResult]
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script>",
    "../../etc",
    "a\u2028b\0",
    "{{ 7*7 }}",
)


def page(folder: Path) -> str:
    return (folder / "index.html").read_text(encoding="utf-8")


def data(folder: Path) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page(folder), re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def of(cell: CellResult, metric: Metric, value: float, task: int, after: int | None = None) -> Row:
    return Row(
        benchmark=cell.benchmark, tier=cell.tier, backbone=cell.backbone, method=cell.method, seed=cell.seed,
        metric=metric, value=value, task=task, after=after, n=3, unit="1e-3", partial=cell.partial,
    )  # fmt: skip


def pictures(folder: Path, count: int = 2, size: tuple[int, int] = (64, 64)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", size, (40 * number % 256, 90, 200)).save(folder / f"{number:02d}.png")
    return folder


def test_files_tables_and_provenance(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    cells = [
        make(seed=0, whole={"a_mmd": 2.0, "a_mmd_unbiased": (1.5, 1.0, 2.0)}, options={"rank": 4}),
        make(seed=1, whole={"a_mmd": 4.0}, options={"rank": 4}),
        make("ti++", whole={"a_mmd": 2.5}),
        make("cd", whole={"a_mmd": 9.0}, tasks=1, total=3, partial=True),
    ]
    where = {"key": "abc123", "store": tmp_path / "store", "variant": "v9"}
    cells[:2] = [cell.model_copy(update=where) for cell in cells[:2]]
    paths = write_page(cells, folder)
    assert paths[0] == folder / "index.html"
    assert all(path.is_file() and path.parent == folder / "thumbnails" for path in paths[1:])
    assert {p for p in folder.rglob("*") if p.is_file()} == set(paths)

    text = page(folder)
    assert "Toy sequence (toy), mini tier, tiny; partial: tasks 1 of 3" in text
    assert '3.00</span><span class="spread"> ± 1.41' in text
    assert (
        '<span class="mean">2.50</span> <span class="interval">' in text
        or '<span class="mean">2.50</span></button>' in text
    )
    assert "[1.00, 2.00]" in text
    assert text.count('class="figure best"') == 2  # ti++ in the table and in the headline; a partial one has no rival
    assert "0, 1 (stamina); 0 (ti++)." in text

    found = data(folder)
    full, partial = found["tables"]
    assert [line["label"] for line in full["lines"]] == ["stamina", "ti++"]
    assert [line["label"] for line in partial["lines"]] == ["cd"]
    assert full["lines"][0]["figures"]["a_mmd"] == [
        "3.00 ± 1.41",
        [],
        [3],
        [[0, 2.0, None, None, 3], [1, 4.0, None, None, 3]],
    ]
    assert full["lines"][0]["figures"]["a_mmd_unbiased"][1] == [1.0, 2.0]
    cell = found["cells"][0]
    assert (cell["key"], cell["store"], cell["variant"], cell["seed"]) == ("abc123", "../store", "v9", 0)
    assert found["options"][cell["options"]] == {"rank": 4}
    assert found["protocols"][cell["protocol"]] == {"kernel": "polynomial"}


def test_a_headline_never_mixes_partial_and_full(make: Make, tmp_path: Path) -> None:
    cells = [make(whole={"a_mmd": 2.0}), make("cd", whole={"a_mmd": 9.0}, tasks=1, total=3)]
    write_page(cells, tmp_path / "report")
    start = (
        page(tmp_path / "report").split('<section id="overview"')[1].split('<section id="tables"')[0].split("<h3>")[0]
    )
    end = "</table>"
    assert start.count(end) == 2
    assert 'mini tier, tiny <span class="badge">partial</span>' in start


def test_what_a_method_measures_of_itself_has_a_table(make: Make, tmp_path: Path) -> None:
    own = {"mine.largest": [1.0, 2.0, 6.0]}
    cells = [
        make("mine [rank=2]", method="mine", seed=0, whole={"a_mmd": 1.0, "mine.largest": 3.0}, curves=own),
        make("mine [rank=2]", method="mine", seed=1, whole={"a_mmd": 1.0, "mine.largest": 5.0}),
        make("ti", whole={"a_mmd": 2.0, "mine.other": 7.0}),  # of another method: no figure of its own
    ]
    write_page(cells, tmp_path / "report")
    text = page(tmp_path / "report")
    (section,) = re.findall(r'<section id="own".*?</section>', text, re.DOTALL)
    heads = re.findall(r'<button type="button" class="sort">(.*?)</button>', section)
    assert heads == ["figure", "mean over tasks", "task 1", "task 3"]
    (row,) = re.findall(r'<tr><th scope="row">mine \[rank=2\]: largest</th>(.*?)</tr>', section, re.DOTALL)
    assert re.findall(r">([^<>]+)</td>", row) == ["4 ± 1.4", "1", "6"]
    assert 'href="#own"' in text
    assert "other" not in re.findall(r'<th scope="row">(.*?)</th>', section)
    write_page([make(whole={"a_mmd": 1.0})], tmp_path / "plain")
    assert 'id="own"' not in page(tmp_path / "plain")


def test_published_figures_stand_beside(make: Make, tmp_path: Path) -> None:
    cells = [
        make(whole={"a_mmd": 400.0}, benchmark="mixed50"),
        make("stamina [rank=4]", method="stamina", benchmark="mixed50"),
    ]
    write_page(cells, tmp_path)
    text = page(tmp_path)
    row = re.search(r'<th scope="row">stamina</th>.*?</tr>', text.split('<section id="tables"')[1], re.DOTALL)
    assert row is not None
    assert 'class="published">2.29<' in row.group()
    assert text.count('class="published key"') == 1
    heads = re.findall(r"<th scope=\"col[^>]*class=\"published\">(.*?)</th>", text)
    assert len(heads) == 1 + len(re.findall(r"published\">", row.group()))  # the heading of all, and each column's
    changed = re.search(
        r'<th scope="row">stamina \[rank=4\]</th>.*?</tr>', text.split('<section id="tables"')[1], re.DOTALL
    )
    assert changed is not None
    assert 'class="published"' not in changed.group()
    assert '<tr class="published"><th scope="row">clora' in text
    assert 'clora <span class="remark">paper only</span>' in text
    assert "NOT comparable in absolute terms" in text


def test_the_explorer_has_each_i_and_its_figures(make: Make, tmp_path: Path) -> None:
    cell = make(tasks=2)
    first = cell.tasks[0].model_copy(update={"after": {1: pictures(tmp_path / "x11"), 2: cell.tasks[0].generated}})
    rows = (*cell.rows, of(cell, "a_mmd", 5.0, 1), of(cell, "learned_mmd", 4.0, 1), of(cell, "mmd", 4.5, 1, after=2))
    rows = (*rows, of(cell, "f_mmd", float("nan"), 1))
    write_page([cell.model_copy(update={"tasks": (first, cell.tasks[1]), "rows": rows})], tmp_path / "report")
    found = data(tmp_path / "report")
    real, after, figures, matrix = found["cells"][0]["tasks"]["1"]
    assert [i for i, _ in after] == [1, 2]
    assert found["sets"][real] == ["toy-real-t1", 2]
    assert [found["sets"][number][0] for _, number in after] == ["toy-stamina-s0-t1-i1", "toy-stamina-s0-t1-i2"]
    assert figures == [[5.0, 3], None, [4.0, 3]]  # nan is no number of JSON
    assert matrix == [[2, 4.5, 3]]
    assert [i for i, _ in found["cells"][0]["tasks"]["2"][1]] == [
        2
    ]  # without `after`, what there is after the last task


def test_i_are_thinned_with_j_and_n(tmp_path: Path) -> None:
    task = TaskResult(
        index=3, name="c", category="c", real=tmp_path, generated=tmp_path / "50",
        after={i: tmp_path / str(i) for i in range(3, 51)},
    )  # fmt: skip
    kept = list(steps(task, 50, 12))
    assert len(kept) == 12
    assert (kept[0], kept[-1]) == (3, 50)
    assert list(steps(task, 50, 2)) == [3, 50]


def test_shared_folders_are_written_once_and_the_bytes_are_the_same(make: Make, tmp_path: Path) -> None:
    cells = [make(), make("ti++"), make("ti++", seed=1)]  # the factory's cells share their folders
    written = [write_page(cells, tmp_path / name) for name in ("one", "two")]
    assert len(written[0]) == 1 + 3 + 3
    assert [p.read_bytes() for p in written[0]] == [p.read_bytes() for p in written[1]]


def test_strips_are_rows_of_squares(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "wide", 4, (300, 150))
    content, count = strip(folder, Size(12, 3, 96))
    (tmp_path / "strip.webp").write_bytes(content)
    with Image.open(tmp_path / "strip.webp") as image:
        assert (image.format, image.size, count) == ("WEBP", (3 * 96, 96), 3)
    small, _ = strip(pictures(tmp_path / "small", 1, (32, 32)), Size(12, 3, 96))
    (tmp_path / "small.webp").write_bytes(small)
    with Image.open(tmp_path / "small.webp") as image:
        assert image.size == (32, 32)
    assert strip(tmp_path / "nowhere", Size(12, 3, 96)) == (b"", 0)


def test_thumbnails_shrink_to_the_budget(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = make(generated=6, size=96)
    monkeypatch.setattr("reports.page.pictures.BUDGET", 600)
    chosen = Pictures([cell])
    paths = chosen.write(tmp_path / "thumbnails")
    assert chosen.size.images < 6
    assert sum(path.stat().st_size for path in paths) <= 600
    assert f"{chosen.size.side} px" in chosen.note


def test_missing_images_have_no_file(make: Make, tmp_path: Path) -> None:
    cell = make(tasks=1)
    for path in cell.tasks[0].real.iterdir():
        path.unlink()
    paths = write_page([cell], tmp_path / "report")
    assert [path.name for path in paths] == ["index.html", "toy-stamina-s0-t1-i1.webp"]
    assert data(tmp_path / "report")["cells"][0]["tasks"]["1"][0] is None


def test_a_damaged_picture_is_named(make: Make, tmp_path: Path) -> None:
    cell = make()
    (cell.tasks[1].generated / "01.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(StoreError, match=r"01\.png cannot be read"):
        write_page([cell], tmp_path / "report")
    assert not list((tmp_path / "report").rglob("*.tmp"))


def test_unfinished_cells_say_why(tmp_path: Path) -> None:
    common: dict[str, Any] = {"benchmark": "toy", "tier": "mini", "backbone": "tiny", "seed": 0, "tasks": 5}
    unfinished = [
        Unfinished(**common, label="bad", trained=3, reason="loss is nan in /home/me/private/bad.py, line 3"),
        Unfinished(**common, label="later", trained=0),
        Unfinished(**common, label="half", trained=2),
    ]
    assert [path.name for path in write_page([], tmp_path, unfinished)] == ["index.html"]
    text = page(tmp_path)
    assert "loss is nan in …/bad.py, line 3" in text
    assert "/home/me" not in text
    assert re.findall(r'<span class="badge(?: bad)?">(.*?)</span>', text) == ["stopped", "not started", "unfinished"]
    assert "3 of 5" in text


class Elements(HTMLParser):
    """Counts elements, and keeps the policy and what scripts and styles hold."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.links: list[str] = []
        self.policy = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "action"}]
        if ("http-equiv", "Content-Security-Policy") in attrs:
            self.policy = dict(attrs)["content"] or ""


def test_hostile_words_stay_words(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "report"
    before = set(tmp_path.rglob("*"))
    cells = [
        make(
            word,
            whole={"a_mmd": 1.0},
            benchmark=word,
            title=word,
            protocol={word: word},
            options={word: [word]},
            generated=1,
        )
        for word in HOSTILE
    ]
    cells = [
        cell.model_copy(
            update={
                "tasks": tuple(t.model_copy(update={"name": word, "category": word}) for t in cell.tasks),
                "compositions": (Composition(prompt=word, tasks=(1, 2), images=cell.tasks[0].generated),),
                "key": word, "variant": word,
            }
        )
        for cell, word in zip(cells, HOSTILE, strict=True)
    ]  # fmt: skip
    pictured = {path for cell in cells for task in cell.tasks for path in (task.real, task.generated)}
    unfinished = [
        Unfinished(benchmark=w, tier=w, backbone=w, label=w, seed=0, trained=0, tasks=1, reason=w) for w in HOSTILE
    ]
    paths = write_page(cells, folder, unfinished)
    new = {p for p in tmp_path.rglob("*") if p not in before and not any(p == q or q in p.parents for q in pictured)}
    assert {p for p in new if p.is_file()} == set(paths)
    assert all(folder == path.parent or folder / "thumbnails" == path.parent for path in paths)

    elements = Elements()
    elements.feed(page(folder))
    assert elements.tags.count("script") == 3
    assert elements.handlers == []
    assert all(re.fullmatch(r"#.*|data:,|thumbnails/[A-Za-z0-9._-]+\.webp", link) for link in elements.links)
    assert elements.tags.count("img") == sum(link.startswith("thumbnails/") for link in elements.links)
    assert "49" not in re.sub(r"<script.*?</script>", "", page(folder), flags=re.DOTALL).split("<tbody>")[1]
    assert [cell["label"] for cell in data(folder)["cells"]] == [*HOSTILE[:4], "a b ", HOSTILE[5]]


def test_only_the_pages_own_script_may_run(make: Make, tmp_path: Path) -> None:
    write_page([make()], tmp_path)
    elements = Elements()
    elements.feed(page(tmp_path))
    assert elements.policy.startswith("default-src 'none'; ")
    assert "http" not in elements.policy
    assert "unsafe" not in elements.policy
    blocks = re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", page(tmp_path), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        assert base64.b64encode(hashlib.sha256(block.encode()).digest()).decode() in elements.policy
        assert "innerHTML" not in block
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page(tmp_path))


def test_no_path_of_the_machine(make: Make, tmp_path: Path) -> None:
    cell = make(
        options={"checkpoint": "/data/me/weights/x.safetensors"}, protocol={"extractor": "from /opt/me/clip.pt"}
    )
    update = {
        "backbone": "/data/me/sd-1.4",
        "store": tmp_path / "elsewhere" / "store",
        "run_file": Path("/srv/me/run.yaml"),
    }
    write_page([cell.model_copy(update=update)], tmp_path / "a" / "report")
    text = page(tmp_path / "a" / "report")
    assert "/me/" not in text
    assert str(tmp_path) not in text
    assert "…/sd-1.4" in text
    assert data(tmp_path / "a" / "report")["cells"][0]["run"] == "run.yaml"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lost /home/me/runs/store", "lost …/store"),
        ("see file:///home/me/a.txt.", "see …/a.txt."),
        (r"C:\Users\me\runs", "…/runs"),
        ("'/home/me/a b'", "'…/a b'"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("(x.y/d + 1)^3, 1/2, and/or", "(x.y/d + 1)^3, 1/2, and/or"),
        ("../../etc", "../../etc"),
        ("</script>", "</script>"),
        ("a\u202eb\0c\nd", "a b c d"),
    ],
)
def test_public_texts(text: str, shown: str) -> None:
    assert public(text) == shown


def test_public_paths(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "report"
    assert public_path(None, folder) == ""
    assert public_path(folder / "x", folder) == "x"
    assert public_path(tmp_path / "runs" / "store", folder) == "../store"
    assert public_path(tmp_path / "other" / "store", folder) == "store"
    assert public_path(Path("/srv/store"), Path("/report")) == "store"


def test_data_blocks_hold_no_markup() -> None:
    words = "</script><!-- & \u2028\u2029 \udcff"
    block = data_block({words: [words, 1.5, None]})
    assert not set("<>&\u2028\u2029") & set(block)
    assert block.isascii()
    shown = "</script><!-- &" + 5 * " "
    assert json.loads(block) == {shown: [shown, 1.5, None]}
    with pytest.raises(ValueError, match="float"):
        data_block([float("nan")])


def test_figures_are_linked_by_name(make: Make, tmp_path: Path) -> None:
    names = ("plasticity-toy.png", "plasticity-toy.pdf", "plots/inter#ference.svg", "alone.pdf")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    write_page([make()], tmp_path, figures=[tmp_path / name for name in names])
    text = page(tmp_path)
    assert '<img src="plasticity-toy.png" alt="How far the weights moved: toy" loading="lazy">' in text
    assert "<strong>How far the weights moved: toy.</strong> The distance of the weights" in text
    assert '<a href="plasticity-toy.pdf" aria-label="PDF: How far the weights moved: toy">PDF</a>' in text
    assert 'src="plots/inter%23ference.svg"' in text
    assert '<strong>Alone.</strong> <a href="alone.pdf"' in text
    assert [name for name, _ in figure_groups([tmp_path / f"grid-{k}.png" for k in range(7)], tmp_path)] == ["Grid"]
    assert "<details>" not in text
    with pytest.raises(ValueError, match="subpath"):
        figure_groups([tmp_path.parent / "x.png"], tmp_path)
    with pytest.raises(ValueError, match="outside"):
        figure_groups([tmp_path / ".." / "x.png"], tmp_path)


def test_every_metric_has_a_meaning() -> None:
    known = {metric for name in registry.setting_names() for metric in presentation(name).meanings}
    assert {metric for metric in METRICS if not metric.endswith("_floor")} <= known


def test_no_torch() -> None:
    code = "import sys, reports.page; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
