"""What shares a name and is not the same never meets in one line, one table or one file of a report."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.results import CellResult, Unfinished
from harness.seeds import own_places
from harness.store.identity import MadeBy, content_of, short
from reports.cells.apart import own_base, own_name, told_apart, told_apart_in_both, told_apart_with
from reports.cells.lines import by_label, groups
from reports.compare.runs import compare, compare_entries, from_cells, from_reference
from reports.figures import save_figures
from reports.frame import tidy
from reports.page.views import build_views
from reports.paper.tables import paper_sheets
from reports.reference import write_reference
from reports.statistics.orders import order_sheets
from reports.tables import build_tables, stack_csv, to_latex, to_markdown, to_text
from reports.tables.measured import full_rows, registered_names
from reports.write import write_report

Make = Callable[..., CellResult]


def identified(
    cell: CellResult, photos: str = "a", extractor: str = "e", name: str = "clip", source: str = "s", **other: Any
) -> CellResult:
    """The cell as of these photographs, this extractor (by content and name) and this source."""
    contents = [short(photos, str(task.index)) for task in cell.tasks]
    made_by = MadeBy(
        source=short(source), extractor=short(extractor), extractor_name=name, backbone=short(other.pop("weights", "w"))
    )
    tasks = tuple(t.model_copy(update={"content": c}) for t, c in zip(cell.tasks, contents, strict=True))
    told = {
        "content": content_of(contents), "tasks": tasks, "made_by": made_by, "variant": short(source, extractor),
        "protocol": {**cell.protocol, "extractor": f"open_clip image tower '{name}' (dimension 8)"},
    }  # fmt: skip
    return cell.model_copy(update={**told, **other})


# value -> what it is of; no mean of two of them is a third
VALUES = {
    1.0: "mine, older code, photos a", 3.0: "mine, newer code, photos a", 5.0: "ti, photos a",
    11.0: "ti, photos b", 31.0: "ti, photos a, quick GELU",
}  # fmt: skip


@pytest.fixture
def store(make: Make) -> list[CellResult]:
    """Two data sets called photos, two versions of a plugin, and two extractors that differ in GELU alone."""

    def cell(label: str, seed: int, value: float, **told: Any) -> CellResult:
        found = make(label, seed, whole={"a_mmd": value, "f_mmd": value, "kid": value / 1000}, benchmark="photos")
        return identified(found, **told)

    return [
        cell("mine", 0, 1.0, source="old"),
        cell("mine", 1, 1.0, source="old"),
        cell("ti", 0, 5.0),
        cell("mine", 0, 3.0, source="new"),
        cell("ti", 0, 11.0, photos="b"),
        cell("ti", 1, 11.0, photos="b"),
        cell("ti", 0, 31.0, extractor="e, quick GELU"),
        cell("ti", 1, 31.0, extractor="e, quick GELU"),
        cell("ti", 1, 5.0),
    ]


def names_of(cells: Iterable[CellResult]) -> dict[float, tuple[str, str]]:
    """Value -> (benchmark, label) of the cells that have it."""
    return {row.value: (row.benchmark, row.method) for c in cells for row in c.rows if row.metric == "a_mmd"}


def test_each_value_has_a_name_of_its_own(store: list[CellResult]) -> None:
    told = told_apart(store)
    found = names_of(told)
    assert set(found) == set(VALUES)
    assert len(set(found.values())) == len(VALUES)
    a, e = sorted({re.sub(r"\W+", " ", name) for name, _ in found.values()})[0], found[5.0][0]
    assert a.startswith("photos ")
    assert re.fullmatch(r"photos \([0-9a-f]{6}; extractor clip \([0-9a-f]{6}\)\)", e), e
    assert re.fullmatch(r"photos \([0-9a-f]{6}\)", found[11.0][0])
    assert found[3.0] == (found[5.0][0], "mine")
    assert re.fullmatch(r"mine \(earlier: code [0-9a-f]{6}\)", found[1.0][1])
    assert [own_name(cell) for cell in told] == ["photos"] * 9
    for cell in told:
        assert {(row.benchmark, row.backbone, row.method) for row in cell.rows} == {
            (cell.benchmark, cell.backbone, cell.label)
        }


def test_names_do_not_change_where_nothing_shares_them(make: Make) -> None:
    cells = [identified(make(label, seed, whole={"a_mmd": 1.0})) for label in ("x", "y") for seed in (0, 1)]
    assert told_apart(cells) == cells
    assert all(not table.apart and not table.cautions for table in build_tables(cells))


def test_what_is_told_apart_stays_as_it_is(store: list[CellResult]) -> None:
    once = told_apart(store)
    assert told_apart(once) == once
    assert [told_apart(group) for group in groups(once)] == groups(once)


def test_no_output_mixes(store: list[CellResult], tmp_path: Path) -> None:
    names = names_of(told_apart(store))
    tables = build_tables(store)
    assert len(tables) == 3
    for table in tables:
        for line in table.lines:
            figure = line.figures["a_mmd"]
            assert names[figure.mean] == (table.benchmark, line.label)
            assert not figure.spread
        assert len({names[line.figures["a_mmd"].mean][0] for line in table.lines}) == 1
    written = write_report(store, tmp_path, ("latex", "md", "csv", "json", "html"), [unfinished()])
    texts = {path.name: path.read_text(encoding="utf-8") for path in written if path.suffix != ".webp"
             and path.suffix != ".png"}  # fmt: skip
    for row in csv.DictReader(io.StringIO(texts["tables.csv"])):
        assert names[float(row["a_mmd_mean"])] == (row["benchmark"], row["method"])
    for row in csv.DictReader(io.StringIO(texts["results.csv"])):
        if row["metric"] == "a_mmd":
            assert names[float(row["value"])] == (row["benchmark"], row["method"])
    rows = json.loads(texts["results.json"])["rows"]
    assert len({(r["benchmark"], r["method"], r["seed"], r["metric"], r["task"]) for r in rows}) == len(rows) == 27
    macros = texts["macros.tex"]
    for value, (benchmark, label) in names.items():
        assert re.search(rf"\\bench@set\{{{re.escape(benchmark)}@mini/tiny\}}\{{{re.escape(label)}\}}\{{a_mmd\}}"
                         rf"\{{{value:.2f}\}}", macros), (benchmark, label)  # fmt: skip
    assert r"\benchalias{photos}" not in macros
    for name in ("tables.tex", "tables.md", "index.html", "macros.tex"):
        plain = texts[name].replace("\\", "")
        assert "The digits in brackets, which are of their content, tell them apart" in plain, name
        assert "Figures of different extractors do not compare" in plain, name
        assert "seeds of the two are never averaged" in plain, name
    text = "\n".join(map(to_text, tables)) + "".join(map(to_markdown, tables)) + "".join(map(to_latex, tables))
    for mean in (2.0, 4.0, 8.0, 18.0, 15.67):  # of two that differ
        assert f"{mean:.2f}" not in text + macros
    sheets = [view.sheet for view in build_views(store)]
    assert [len(sheet.rows) for sheet in sheets] == [3, 1, 1]


def unfinished() -> Unfinished:
    contents = tuple(short("b", str(index)) for index in (1, 2, 3))
    return Unfinished(
        benchmark="photos", tier="mini", backbone="tiny", label="later", seed=0, trained=0, tasks=3,
        content=content_of(contents), contents=contents, tasks_total=3,
        made_by=MadeBy(extractor=short("e"), extractor_name="clip", backbone=short("w")),
    )  # fmt: skip


def test_what_is_unfinished_is_told_apart_with_the_rest(store: list[CellResult]) -> None:
    cells, (left,) = told_apart_with(store, [unfinished()])
    assert left.benchmark == names_of(cells)[11.0][0]


def test_files_have_names_of_their_own(store: list[CellResult], tmp_path: Path) -> None:
    curves = {"residual_norm": [1.0, 2.0, 3.0], "plasticity_distance": [1.0, 2.0, 3.0]}
    drawn = [c.model_copy(update={"rows": (*c.rows, *(
        c.rows[0].model_copy(update={"metric": metric, "task": task, "unit": "1", "value": value})
        for metric, values in curves.items() for task, value in enumerate(values, 1)
    ))}) for c in store]  # fmt: skip
    names = [path.stem for path in save_figures(drawn, tmp_path, ["png"])]
    assert len(names) == len(set(names))
    bases = {re.sub("^plasticity-", "", name) for name in names if name.startswith("plasticity")}
    assert len(bases) == 3
    assert all(re.fullmatch(r"photos-[0-9a-f]{6}(-extractor-clip-[0-9a-f]{6})?", base) for base in bases), bases


def test_a_run_of_a_few_tasks_goes_with_its_whole(make: Make) -> None:
    few = identified(make("x", tasks=2, total=3, whole={"a_mmd": 1.0}))
    whole = identified(make("x", whole={"a_mmd": 2.0}))
    assert told_apart([few, whole]) == [few, whole]
    other = identified(make("x", whole={"a_mmd": 3.0}), photos="b")
    names = [cell.benchmark for cell in told_apart([few, other, whole])]
    assert names[0] == names[2] != names[1]
    assert "toy" not in names


def test_a_run_of_a_few_tasks_that_two_wholes_begin_with_is_of_neither(make: Make) -> None:
    def begun(seed: int, tasks: int, photos: str) -> CellResult:
        cell = make("x", seed, tasks=tasks, total=3, whole={"a_mmd": 1.0})
        contents = [short("first"), short(photos), short(photos)][:tasks]
        with_content = zip(cell.tasks, contents, strict=True)
        told = tuple(task.model_copy(update={"content": content}) for task, content in with_content)
        return cell.model_copy(update={"tasks": told, "content": content_of(contents)})

    cells = [begun(0, 3, "a"), begun(0, 1, "a"), begun(1, 1, "b"), begun(0, 3, "b")]
    a, few, also, b = (cell.benchmark for cell in told_apart(cells))
    assert few == also
    assert len({a, b, few}) == 3
    assert "on 3 sets of images" in told_apart(cells)[0].apart[0]


def test_the_first_tasks_of_two_orders_are_of_one_benchmark(make: Make) -> None:
    assert own_places(1, 9)[:2] != [0, 1]
    cells = []
    for order in (0, 1):
        cell = make("x", tasks=2, total=9, benchmark=f"toy-order{order}" if order else "toy", whole={"a_mmd": 1.0})
        contents = [short(str(place)) for place in own_places(order, 9)[:2]]
        told = tuple(t.model_copy(update={"content": c}) for t, c in zip(cell.tasks, contents, strict=True))
        cells.append(cell.model_copy(update={"tasks": told, "content": content_of(contents), "order": order}))
    assert told_apart(cells) == cells


def test_orders_of_the_same_tasks_belong_together(make: Make) -> None:
    def shuffled(photos: str, order: int, seed: int) -> CellResult:
        name = f"toy-order{order}" if order else "toy"
        cell = make("x", seed, whole={"a_mmd": 1.0 + order}, benchmark=name, order=order, base="toy" if order else "")
        cell = cell.model_copy(update={"order": order, "base": "toy" if order else ""})
        contents = [short(photos, str(place)) for place in own_places(order, 3)]
        tasks = tuple(t.model_copy(update={"content": c}) for t, c in zip(cell.tasks, contents, strict=True))
        return cell.model_copy(update={"content": content_of(contents), "tasks": tasks})

    one = [shuffled("a", order, 0) for order in (0, 1)]
    assert told_apart(one) == one
    (sheet,) = order_sheets(one)
    assert sheet.title == "Orders of tasks: toy, mini tier, tiny"
    both = told_apart([*one, *(shuffled("b", order, 0) for order in (0, 1))])
    ends = [cell.benchmark.split(" ")[-1] for cell in both]
    assert ends[0] == ends[1] != ends[2] == ends[3]
    assert [own_name(cell) for cell in both] == ["toy", "toy-order1"] * 2
    assert [own_base(cell) for cell in both] == ["toy"] * 4
    assert len(order_sheets(both)) == 2


def test_classes_in_other_orders_are_one_benchmark(make_classes: Make) -> None:
    cells = [make_classes("x", seed).model_copy(update={"content": "c0"}) for seed in (0, 1)]
    assert len(build_tables(cells)) == 1
    other = make_classes("x", 2).model_copy(update={"content": "c1"})
    assert [table.lines[0].seeds for table in build_tables([*cells, other])] == [(0, 1), (2,)]
    unknown = make_classes("x", 3)  # of an old file: the same as all others, if these are one
    assert [table.lines[0].seeds for table in build_tables([*cells, unknown])] == [(0, 1, 3)]
    names = [table.benchmark for table in build_tables([*cells, other, unknown])]
    assert names[2] == "objects (not recorded)"
    assert len(set(names)) == 3


def test_backbones_of_one_name_are_told_apart(make: Make) -> None:
    cells = [identified(make("x", seed, whole={"a_mmd": 1.0}), weights=w) for seed, w in ((0, "w"), (1, "v"))]
    one, two = build_tables(cells)
    assert re.fullmatch(r"tiny \([0-9a-f]{6}\)", one.backbone)
    assert one.backbone != two.backbone
    assert "There are several backbones called tiny" in one.notes()[0]


def test_extractors_of_other_names_are_called_by_them(make: Make) -> None:
    cells = [
        identified(make("x", whole={"a_mmd": 1.0}), extractor=name, name=name)
        for name in ("ViT-B-32/openai", "ViT-B-32-quickgelu/openai")
    ]
    tables = build_tables(cells)
    assert [table.benchmark for table in tables] == [
        "toy (extractor ViT-B-32/openai)", "toy (extractor ViT-B-32-quickgelu/openai)",
    ]  # fmt: skip
    assert all(not table.best(table.columns[1]) for table in tables)
    assert dict(tables[0].protocol)["extractor"] == "open_clip image tower 'ViT-B-32/openai' (dimension 8)"
    assert len(tidy(cells)) == 2


# --- versions of the code --------------------------------------------------------------------------------------------


def test_the_newest_version_keeps_the_label(make: Make) -> None:
    old = [identified(make("mine", seed, whole={"a_mmd": 1.0}), source="old") for seed in (0, 1, 2)]
    new = [identified(make("mine", 0, whole={"a_mmd": 2.0}), source="new")]
    lines = by_label([*old, *new])
    assert list(lines) == [f"mine (earlier: code {short('old')[:6]})", "mine"]
    assert [cell.seed for cell in lines["mine"]] == [0]
    assert list(by_label([*new, *old])) == [f"mine (earlier: code {short('new')[:6]})", "mine"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"options": {"rank": 2, "tau": 1}}, "rank=2, tau=1"),
        ({"options": dict.fromkeys("abcd", 1)}, "options [0-9a-f]{6}"),
        ({"variant": "0123456789"}, "variant 012345"),
        ({"made_by": {"metrics": "abcdef12"}}, "metrics abcdef"),
        ({"made_by": {"steps": "train 4"}}, "program [0-9a-f]{6}"),
        ({"made_by": {"device": "cuda"}}, "on cuda"),
        ({"made_by": {"source": "abcdef12", "dtype": "bfloat16"}}, "code abcdef, on bfloat16"),
    ],
)
def test_what_is_other_of_an_earlier_version_is_said(make: Make, change: dict[str, Any], said: str) -> None:
    told = MadeBy(source="1", metrics="2", steps="train 5", device="cpu", dtype="float32")
    now = make("mine", 1, whole={"a_mmd": 1.0}).model_copy(update={"variant": "new", "made_by": told})
    then = make("mine", 0, whole={"a_mmd": 2.0}).model_copy(update={"variant": "old", "made_by": told})
    other = change.pop("made_by", {})
    then = then.model_copy(update={**change, "made_by": told.model_copy(update=other)})
    earlier, label = by_label([then, now])
    assert label == "mine"
    assert re.fullmatch(rf"mine \(earlier: {said}\)", earlier), earlier


def test_of_two_cells_of_one_seed_the_one_with_more_figures_counts(make: Make) -> None:
    matrix = make("x", whole={"a_mmd": 1.0, "f_mmd": 1.0})
    plain = make("x", whole={"a_mmd": 1.0})
    assert by_label([matrix, plain]) == {"x": [matrix]}
    assert by_label([plain, matrix]) == {"x": [matrix]}
    later = make("x", whole={"a_mmd": 2.0})
    assert by_label([plain, later]) == {"x": [later]}
    assert told_apart([plain, later]) == [later]


@given(st.lists(st.tuples(*[st.integers(0, 1)] * 5), min_size=1, max_size=12))
def test_no_line_ever_has_cells_that_differ(kinds: Sequence[tuple[int, ...]]) -> None:
    """Whatever meets in one output: each value is that of one kind, under one name that no other kind has."""
    cells = []
    for number, (photos, weights, extractor, source, seed) in enumerate(kinds):
        cell = CellResult(
            benchmark="p", title="t", tier="mini", backbone="b", method="m", label="m", seed=seed, options={},
            partial=False, tasks_total=1, tasks=(), protocol={}, rows=(),
        )  # fmt: skip
        cell = identified(cell, "", f"e{extractor}", "clip", f"s{source}", weights=f"w{weights}")
        update = {"content": f"c{photos}", "key": f"{number}", "setting": "customization"}
        cells.append(cell.model_copy(update=update))
    told = told_apart(cells)
    kind = {cell.key: kinds[int(cell.key)] for cell in told}
    named: dict[tuple[str, str, str], set[tuple[int, ...]]] = {}
    for cell in told:
        named.setdefault((cell.benchmark, cell.backbone, cell.label), set()).add(kind[cell.key][:4])
    assert all(len(found) == 1 for found in named.values())
    assert len(told) == len(set(kinds))


# --- published figures -----------------------------------------------------------------------------------------------


def test_only_the_registered_benchmark_has_published_figures(make: Make, tmp_path: Path) -> None:
    registered = identified(make("stamina", whole={"a_mmd": 2.0, "f_mmd": 1.0}, benchmark="mixed50"))
    photos = identified(make("stamina", whole={"a_mmd": 7.0, "f_mmd": 1.0}, benchmark="mixed50"), photos="b")
    photos = photos.model_copy(update={"registered": False})
    assert build_tables([registered])[0].published is not None
    assert build_tables([photos])[0].published is None
    assert r"\bench@paper{" in macros_of([registered], tmp_path)
    assert r"\bench@paper{" not in macros_of([photos], tmp_path)
    assert paper_sheets(*full_rows([photos]), registered_names([photos])) == []
    one, two = build_tables([photos, registered])
    assert (one.published, two.published is None) == (None, False)
    both = [photos, registered]
    sheets = paper_sheets(*full_rows(both), registered_names(both))
    assert sheets[0].title == f"Table 2a of the paper: {two.benchmark}, mini tier, tiny"
    assert all(one.benchmark not in sheet.title for sheet in sheets)
    with pytest.raises(UsageError, match="not of the registered benchmark of that name"):
        write_reference([photos], tmp_path / "reference")


def macros_of(cells: Sequence[CellResult], folder: Path) -> str:
    write_report(cells, folder, ("latex",))
    return (folder / "macros.tex").read_text(encoding="utf-8")


def test_with_two_extractors_each_has_its_paper_tables(make: Make) -> None:
    cells = [
        identified(
            make("stamina", whole={"a_mmd": value, "f_mmd": 1.0}, benchmark="mixed50"), extractor=name, name=name
        )
        for name, value in (("A/x", 1.0), ("B/y", 3.0))
    ]
    titles = [sheet.title for sheet in paper_sheets(*full_rows(cells), registered_names(cells))]
    assert [title for title in titles if title.startswith("Table 2a of the paper:")] == [
        f"Table 2a of the paper: mixed50 (extractor {name}), mini tier, tiny" for name in ("A/x", "B/y")
    ]


# --- reference results and comparisons -------------------------------------------------------------------------------


def test_reference_results_are_of_one_thing(store: list[CellResult], make: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"results of 'photos' that must not stand under one name: photos \("):
        write_reference(store, tmp_path)
    a, b = (identified(make("x", seed, whole={"a_mmd": 1.0}), photos=p) for seed, p in ((0, "a"), (1, "b")))
    write_reference([a], tmp_path)
    for other, said in (
        (b, "other images or category words"),
        (identified(make("x", 1, whole={"a_mmd": 1.0}), extractor="f"), "figures by another feature extractor"),
        (identified(make("y", 1, whole={"a_mmd": 1.0}), weights="v"), "another backbone of the same name"),
    ):
        with pytest.raises(UsageError, match=f"holds 'toy' with {said}; name another folder"):
            write_reference([other], tmp_path)
    write_reference([identified(make("x", 1, whole={"a_mmd": 1.0}))], tmp_path)
    assert from_reference(tmp_path)[0].whole["a_mmd"] == {0: 1.0, 1: 1.0}


def test_a_comparison_pairs_what_is_the_same(store: list[CellResult], make: Make, tmp_path: Path) -> None:
    second = [c.model_copy(update={"rows": tuple(r.model_copy(update={"value": r.value + 0.5}) for r in c.rows)})
              for c in store]  # fmt: skip
    found = compare(store, second)
    changes = [change for _, some in found.changes for change in some if change.metric == "a_mmd"]
    assert {change.first.mean for change in changes} == set(VALUES)
    assert {change.difference for change in changes} == {0.5}
    # where only one side has two, the one of the same content is found
    alone = [c for c in second if c.benchmark == "photos" and c.rows[0].value == 11.5]
    found = compare(store, alone)
    (change,) = [change for _, some in found.changes for change in some if change.metric == "a_mmd"]
    assert (change.first.mean, change.second.mean) == (11.0, 11.5)
    assert change.verdict != "not comparable"
    lines = csv.DictReader(io.StringIO(found.to_csv()))
    assert {line["benchmark"] for line in lines} == {names_of(told_apart(store))[11.0][0]}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"photos": "b"}, "the tasks' images or category words are not the same"),
        ({"extractor": "f"}, "extractor differs"),
    ],
)
def test_a_comparison_of_what_is_not_the_same_says_so(make: Make, other: dict[str, str], said: str) -> None:
    one, two = identified(make("x", whole={"a_mmd": 1.0})), identified(make("x", whole={"a_mmd": 2.0}), **other)
    found = compare([one], [two])
    assert any(said in warning for warning in found.warnings)
    assert {c.verdict for _, some in found.changes for c in some if c.metric == "a_mmd"} == {"not comparable"}


def test_a_comparison_of_other_backbones_of_one_name_says_so(make: Make) -> None:
    one, two = (identified(make("x", whole={"a_mmd": 1.0}), weights=w) for w in ("w", "v"))
    assert any("Not the same backbone" in warning for warning in compare([one], [two]).warnings)


def test_a_reference_of_old_is_compared_by_name(store: list[CellResult], make: Make, tmp_path: Path) -> None:
    old = make("x", whole={"a_mmd": 1.0})  # says nothing of its content
    write_reference([old], tmp_path)
    new = identified(make("x", whole={"a_mmd": 1.0}))
    other = identified(make("x", whole={"a_mmd": 9.0}), photos="b")
    (pair,) = compare_entries(from_reference(tmp_path), from_cells([new])).changes
    assert pair[0] == "toy, mini tier"
    assert not compare_entries(from_reference(tmp_path), from_cells([new, other])).changes  # which one is open
    first, second = told_apart_in_both([new], [other])
    assert first[0].benchmark != second[0].benchmark


# --- training budgets ------------------------------------------------------------------------------------------------


def test_a_table_says_which_methods_train_by_another_tiers_defaults(make: Make) -> None:
    mine = make("mine", whole={"a_mmd": 1.0}, options={"steps": 500, "batch_size": 4})
    mine = mine.model_copy(update={"inherited": ("steps", "batch_size")})
    other = make("ti", whole={"a_mmd": 2.0}, options={"steps": 60, "batch_size": 4})
    said = (
        "Not the same training: mine with steps=500, batch_size=4 by plain defaults, which are the paper tier's, "
        "beside ti with steps=60, batch_size=4. To compare like with like: --set mine.steps=60, or tier_defaults for "
        "mini in the class of its options."
    )
    (table,) = build_tables([mine, other])
    assert said in table.notes()
    assert said in table.notes(compact=True)
    assert "steps=500" in to_markdown(table).replace("\\", "")
    assert not build_tables([mine])[0].cautions
    assert not build_tables([other])[0].cautions
    same = make("same", whole={"a_mmd": 1.0}, options={"steps": 500, "batch_size": 4})
    assert not build_tables([mine, same])[0].cautions


# --- CSV that spreadsheets do not run --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["=1+1", "+1", "-dash", "@sum", "\tx"])
def test_no_cell_of_a_csv_file_begins_a_formula(make: Make, name: str, tmp_path: Path) -> None:
    cells = [make(label, whole={"a_mmd": -1.0}, benchmark=name, title=name) for label in ("x", "y")]
    write_report(cells, tmp_path, ("csv",))
    texts = [stack_csv(build_tables(cells)), compare(cells, cells).to_csv()]
    texts += [path.read_text(encoding="utf-8") for path in tmp_path.glob("*.csv")]
    assert len(texts) == 4
    for text in texts:
        rows = list(csv.reader(io.StringIO(text)))
        assert any(f"'{name}" in row for row in rows)
        assert all(re.fullmatch(r"-[\d.]+", cell) for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r"))
    assert any("-1.0" in row for row in csv.reader(io.StringIO(texts[0])))


def test_a_mean_over_orders_is_of_one_version_of_a_method(make: Make) -> None:
    def run(order: int, source: str, seed: int = 0) -> CellResult:
        name, base = (f"toy-order{order}", "toy") if order else ("toy", "")
        cell = make("mine", seed, whole={"a_mmd": 1.0 + order}, benchmark=name)
        return cell.model_copy(
            update={"order": order, "base": base, "variant": source, "made_by": MadeBy(source=short(source))}
        )

    (sheet,) = order_sheets([run(0, "old"), run(1, "new"), run(2, "new")])
    assert sheet.notes[-1] == "Left out, as made otherwise than what was asked for last: mine (own order)."
    assert sheet.grids[0].rows[0][-1] == "2"
    assert order_sheets([run(0, "old"), run(1, "new")]) == []


def test_without_three_images_a_table_says_that_it_has_no_intervals(make: Make) -> None:
    def drawn(images: int) -> CellResult:
        cell = make(whole={"a_mmd_unbiased": 1.0}, curves={"a_mmd_unbiased": [1.0, 1.0, 1.0]})
        return cell.model_copy(update={"rows": tuple(row.model_copy(update={"n": images}) for row in cell.rows)})

    said = "No 95 % intervals: they take 3 generated images of each task at least, and there are fewer."
    assert said in build_tables([drawn(2)])[0].notes()
    assert said not in build_tables([drawn(3)])[0].notes()


def test_seeds_of_one_class_order_are_no_orders(make_classes: Make) -> None:
    drawn = make_classes(protocol={"class order": "seed 0: natural; seed s: Python's random.shuffle seeded by s"})
    fixed = make_classes(protocol={"class order": "3 for every seed"})
    assert "Mean over class orders" in build_tables([drawn])[0].notes()[0]
    assert build_tables([fixed])[0].notes()[0].startswith("Mean over run seeds.")
