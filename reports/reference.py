"""Reference results: finished cells as small text files that are committed beside the code.

A folder holds one tier: `protocol.json` with each benchmark's protocol, methods, options and seeds, and
`<benchmark>.csv` with the rows of `harness.results.Row`, less what is the same in all of them (benchmark, tier,
backbone: in protocol.json; no row is partial) and less the figures of single layers, of matrices those of (i, j), and
the measures that runs were asked for beside the tables' own, which may be anybody's. Six significant digits, sorted, so
that the same results always give the same bytes. Version 2 of protocol.json says by hashes what the tasks are and
which extractor scored them, so that one file never has figures of two; in version 1 both are empty.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import UsageError, first_line
from harness.results import METRICS, CellResult, Row
from harness.spec import Frozen, SettingName
from harness.store.migrations import refuse_newer
from reports.cells.apart import own_name, told_apart
from reports.cells.lines import is_partial
from reports.files import slug, write_atomically
from reports.tables.columns import column
from reports.tables.measured import Protocols
from reports.tables.published import published_benchmarks
from reports.tables.summary import join

PROTOCOL = "protocol.json"
REFERENCE_VERSION = 2  # of protocol.json
FIELDS = ("method", "seed", "task", "metric", "value", "low", "high", "n", "unit")
_ORDER = {metric: position for position, metric in enumerate(METRICS)}


class MethodRecord(Frozen):
    """One label: its method, options, code and seeds, and what of its protocol differs from the benchmark's."""

    method: str
    options: Mapping[str, Any]
    variant: str
    seeds: tuple[int, ...]
    protocol: Mapping[str, str]


class BenchmarkRecord(Frozen):
    """One benchmark: what all its methods share, and the methods by their labels.

    Files from before there was a second setting do not name theirs. The last three are
    hashes, as of `CellResult`; empty in files of version 1.
    """

    setting: SettingName = "customization"
    content: str = ""
    extractor: str = ""
    backbone_content: str = ""
    title: str
    backbone: str
    tasks: int
    protocol: Mapping[str, str]
    methods: Mapping[str, MethodRecord]


class Reference(Frozen):
    """What protocol.json holds."""

    schema_version: int
    tier: str
    benchmarks: Mapping[str, BenchmarkRecord]

    @property
    def protocols(self) -> Protocols:
        """The protocols as the paper's tables want them."""
        return {
            (name, self.tier, b.backbone): {label: [{**b.protocol, **m.protocol}] for label, m in b.methods.items()}
            for name, b in self.benchmarks.items()
        }


def is_reference(folder: Path) -> bool:
    """Whether the folder holds reference results, and no runs."""
    return (folder / PROTOCOL).is_file() and not (folder / "runs").is_dir()


def write_reference(cells: Sequence[CellResult], folder: Path) -> list[Path]:
    """Add cells to the reference results in a folder, which is made if missing.

    What is there already stays: a cell replaces only its own rows (benchmark, label and seed). One label never mixes
    options, code or checkpoints: if they changed, the new seeds must cover the old ones, whose rows they then replace.

    Returns:
        The files written, protocol.json last.

    Raises:
        UsageError: a cell is partial; cells of different tiers or backbones, of one benchmark's name with different
            images, models or extractors, or of one label with different options or code; the folder cannot be
            written, or holds something else.
    """
    if not cells:
        raise UsageError("There are no finished cells to make reference results of.")
    _refuse_partial(cells)
    _refuse_several(cells)
    tiers = sorted({cell.tier for cell in cells})
    old = read_protocol(folder) if (folder / PROTOCOL).exists() else None
    if len(tiers) > 1 or (old is not None and old.tier != tiers[0]):
        tiers = sorted({*tiers, *([old.tier] if old else [])})
        raise UsageError(f"{folder} can hold reference results of one tier only, not of {join(tiers, ' and ')}.")
    rows = _by_cell(read_reference(folder)) if old is not None else {}
    records = dict(old.benchmarks) if old is not None else {}
    by_benchmark: dict[str, list[CellResult]] = {}
    for cell in cells:
        by_benchmark.setdefault(cell.benchmark, []).append(cell)
    for name, group in by_benchmark.items():
        if slug(name) != name:
            raise UsageError(f"Benchmark '{name}' cannot name a reference file; use letters, digits, '.', '_' and '-'.")
        records[name] = _merge(records.get(name), group, rows, folder)
    reference = Reference(schema_version=REFERENCE_VERSION, tier=tiers[0], benchmarks=records)
    protocol = json.dumps(reference.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    texts = {f"{name}.csv": _to_csv(_of_benchmark(rows, name)) for name in sorted(by_benchmark)} | {PROTOCOL: protocol}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [write_atomically(folder / name, text.encode()) for name, text in texts.items()]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{folder} cannot be written ({reason}); choose another folder.") from error


def read_protocol(folder: Path) -> Reference:
    """What a folder of reference results says of them.

    Raises:
        UsageError: it has no protocol.json, or one that is damaged or of a newer version.
    """
    try:
        content = json.loads((folder / PROTOCOL).read_text(encoding="utf-8"))
        version = content.get("schema_version") if isinstance(content, dict) else None
        refuse_newer(folder / PROTOCOL, version, REFERENCE_VERSION)
        return Reference.model_validate(content)
    except OSError:
        raise UsageError(f"{folder} holds no reference results ({PROTOCOL} is missing).") from None
    except ValueError as error:
        raise _damaged(folder / PROTOCOL, error) from None


def read_reference(folder: Path) -> list[Row]:
    """Every row of the reference results in a folder, benchmarks in the order of their names.

    Raises:
        UsageError: the folder holds none; a file is damaged, or its methods and seeds are not those of protocol.json.
    """
    reference = read_protocol(folder)
    rows: list[Row] = []
    for name, record in sorted(reference.benchmarks.items()):
        path = folder / f"{name}.csv"
        common = {"benchmark": name, "tier": reference.tier, "backbone": record.backbone, "partial": False}
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                found = [Row.model_validate(common | _filled(fields)) for fields in csv.DictReader(stream, strict=True)]
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"{path} cannot be read ({reason}); take it from version control again.") from None
        except (ValueError, csv.Error) as error:
            raise _damaged(path, error) from None
        said = {(label, seed) for label, method in record.methods.items() for seed in method.seeds}
        if said != {(row.method, row.seed) for row in found}:
            raise UsageError(f"{path} and {folder / PROTOCOL} name different methods or seeds; write both again.")
        rows += found
    return rows


_Rows = dict[tuple[str, str, int], list[Row]]  # by benchmark, label and seed


def _refuse_partial(cells: Sequence[CellResult]) -> None:
    partial = sorted({f"{cell.label} on {cell.benchmark}" for cell in cells if is_partial(cell)})
    if partial:
        more = f" and {len(partial) - 3} more" if len(partial) > 3 else ""
        raise UsageError(
            f"Reference results are of whole benchmarks; these cells are partial: {', '.join(partial[:3])}{more}. "
            "Keep trials (--limit, --tasks) in another results folder, or name one --benchmark."
        )


def _refuse_several(cells: Sequence[CellResult]) -> None:
    """One name in reference results is one thing: of one set of images and one extractor, and what it is known for."""
    names: dict[str, dict[str, None]] = {}
    for cell in told_apart(cells):
        names.setdefault(own_name(cell), {})[cell.benchmark] = None
        if not cell.registered and own_name(cell) in published_benchmarks():
            raise UsageError(
                f"These results of '{own_name(cell)}' are not of the registered benchmark of that name, whose "
                "published figures would stand beside them; give the folder of images another name and run it again."
            )
    for name, several in names.items():
        if len(several) > 1:
            raise UsageError(
                f"There are results of '{name}' that must not stand under one name: {join(several, ', ')}; choose one "
                "of these with --benchmark."
            )


def _merge(old: BenchmarkRecord | None, cells: Sequence[CellResult], rows: _Rows, folder: Path) -> BenchmarkRecord:
    """The benchmark's new record; puts the cells' rows into `rows`, and takes superseded ones out."""
    last = cells[-1]
    kinds = {(c.setting, c.backbone, c.tasks_total) for c in told_apart(cells)}
    if old is not None:
        kinds.add((old.setting, old.backbone, old.tasks))
    if len(kinds) > 1:
        raise UsageError(
            f"{folder} can hold one setting, one backbone and one length of {last.benchmark}, not several."
        )
    for what, was, now in (
        ("other images or category words", old.content if old else "", last.content),
        ("another backbone of the same name", old.backbone_content if old else "", last.made_by.backbone),
        ("figures by another feature extractor", old.extractor if old else "", last.made_by.extractor),
    ):
        if was and now and was != now:
            raise UsageError(f"{folder} holds '{last.benchmark}' with {what}; name another folder with -o.")
    methods: dict[str, tuple[MethodRecord, Mapping[str, str]]] = {}
    if old is not None:
        methods = {label: (m, {**old.protocol, **m.protocol}) for label, m in old.methods.items()}
    for label in dict.fromkeys(cell.label for cell in cells):
        group = [cell for cell in cells if cell.label == label]
        newest = _recipe(group[-1])
        taken = {cell.seed: cell for cell in group if _recipe(cell) == newest}
        others = {cell.seed for cell in group if _recipe(cell) != newest}
        seeds = set(taken)
        if label in methods:
            known = methods[label][0]
            same = _recipe(known) == newest
            (seeds if same else others).update(known.seeds)
        if missing := sorted(others - set(taken)):
            raise UsageError(
                f"'{label}' on {last.benchmark} has other options, code or checkpoints for seed"
                f"{'s' if len(missing) > 1 else ''} {join(missing, ', ')} than for {join(sorted(taken), ', ')}; "
                "run all its seeds again, so that no average mixes the two."
            )
        record = MethodRecord(
            method=group[-1].method, options=group[-1].options, variant=group[-1].variant,
            seeds=tuple(sorted(seeds)), protocol={},
        )  # fmt: skip
        methods[label] = (record, group[-1].protocol)
        for seed, cell in taken.items():
            rows[cell.benchmark, label, seed] = [
                row.model_copy(update={"method": label}) for row in cell.rows if not row.detail and _is_own(row.metric)
            ]
    shared = set.intersection(*(set(protocol.items()) for _, protocol in methods.values()))
    return BenchmarkRecord(
        setting=last.setting, title=last.title, backbone=last.backbone, tasks=last.tasks_total, protocol=dict(shared),
        content=last.content, extractor=last.made_by.extractor, backbone_content=last.made_by.backbone,
        methods={
            label: record.model_copy(update={"protocol": dict(set(protocol.items()) - shared)})
            for label, (record, protocol) in methods.items()
        },
    )  # fmt: skip


def _recipe(of: MethodRecord | CellResult) -> str:
    return json.dumps([of.method, dict(of.options), of.variant], sort_keys=True, default=str)


def _by_cell(rows: Iterable[Row]) -> _Rows:
    cells: _Rows = {}
    for row in rows:
        cells.setdefault((row.benchmark, row.method, row.seed), []).append(row)
    return cells


def _of_benchmark(cells: _Rows, benchmark: str) -> list[Row]:
    # As everywhere, the last of several rows of one figure counts.
    rows = [row for (name, _, _), members in cells.items() if name == benchmark for row in members]
    return list({_key(row): row for row in rows}.values())


def _key(row: Row) -> tuple[str, int, int, str, int]:
    return (row.method, row.seed, _ORDER.get(row.metric, len(_ORDER)), row.metric, row.task or 0)


def _to_csv(rows: Iterable[Row]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(FIELDS)
    for row in sorted(rows, key=_key):
        numbers = (_number(row.value), _number(row.low), _number(row.high))
        writer.writerow((row.method, row.seed, row.task, row.metric, *numbers, row.n, row.unit))
    return stream.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


@cache
def _is_own(metric: str) -> bool:
    """Whether a metric is one of some setting's own."""
    return metric in _ORDER or column(metric) is not None


def _filled(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields that are not empty. Short and long lines leave None behind, which is no field's value."""
    if None in fields or None in fields.values() or set(fields) != set(FIELDS):
        raise ValueError("a line does not have the columns " + ", ".join(FIELDS))
    metric = fields["metric"]
    if not _is_own(metric):
        raise ValueError(f"there is no metric {metric!r} in any setting that is installed")
    return {name: text for name, text in fields.items() if text != ""}


def _damaged(path: Path, error: Exception) -> UsageError:
    return UsageError(f"{path} is damaged ({first_line(error)}); take it from version control again.")
