"""Paired differences from features files, and the spread over orders of tasks: figures worked out by hand."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.errors import StoreError
from harness.metrics.mmd import mmd
from harness.metrics.paired import difference, leave_one_out
from harness.results import CellResult
from reports.statistics.orders import order_sheets
from reports.statistics.paired_images import compared, paired_sheets, pairwise_csv, read_pairs

Make = Callable[..., CellResult]
T1 = 12.706204736432095  # Student's t, 1 degree of freedom, 97.5 %


def with_features(cell: CellResult, folder: Path, shift: float, images: int = 5, real: int = 0) -> CellResult:
    """The cell with features of its own: real ones the same in all, generated ones `shift` off the same noise."""
    tasks = []
    for task in cell.tasks:
        x = np.random.default_rng(100 * real + task.index).normal(size=(6, 4))
        y = np.random.default_rng([cell.seed, task.index]).normal(size=(images, 4)) + shift
        place = folder / f"{cell.label}-{cell.seed}-{task.index}-{shift}-{images}-{real}"
        place.mkdir()
        save_file({"images": x.astype(np.float32)}, str(place / "real.safetensors"))
        save_file({"images": y.astype(np.float32)}, str(place / "made.safetensors"))
        paths = {"real_features": place / "real.safetensors", "features": {len(cell.tasks): place / "made.safetensors"}}
        tasks.append(task.model_copy(update=paths))
    return cell.model_copy(update={"tasks": tuple(tasks)})


@pytest.fixture
def cells(make: Make, tmp_path: Path) -> list[CellResult]:
    shifts = {"stamina": 0.0, "far": 2.0, "near": 0.01}
    return [
        with_features(make(label, seed=seed, tasks=2, whole={"a_mmd": 1.0}), tmp_path, shift)
        for label, shift in shifts.items()
        for seed in (0, 1)
    ]


def features(cell: CellResult, task: int) -> tuple[np.ndarray, np.ndarray]:
    from safetensors.numpy import load_file

    found = cell.tasks[task]
    assert found.real_features is not None
    return load_file(str(found.real_features))["images"], load_file(str(found.features[2]))["images"]


def test_difference_and_intervals_by_hand(cells: Sequence[CellResult]) -> None:
    (group,) = read_pairs(cells)
    found = compared(group.scored["far"], group.scored["stamina"])
    assert found is not None
    each = [[mmd(*features(cells[2 + s], t)) - mmd(*features(cells[s], t)) for t in (0, 1)] for s in (0, 1)]
    assert found.value == pytest.approx(1000 * np.mean(each))
    task = [1000 * (each[0][t] + each[1][t]) / 2 for t in (0, 1)]
    assert found.tasks.high == pytest.approx(np.mean(task) + T1 * abs(task[0] - task[1]) / 2)
    run = [1000 * (each[s][0] + each[s][1]) / 2 for s in (0, 1)]
    assert found.seeds.high == pytest.approx(np.mean(run) + T1 * abs(run[0] - run[1]) / 2)
    errors = [
        difference(leave_one_out(*features(cells[2 + s], t))["v"], leave_one_out(*features(cells[s], t))["v"]).error
        for s in (0, 1)
        for t in (0, 1)
    ]
    t16 = 2.1199052992212546  # four images less one, four times: 16 degrees of freedom
    assert found.images.high == pytest.approx(found.value + t16 * 1000 * sum(e**2 for e in errors) ** 0.5 / 4)
    assert (found.images.n, found.tasks.n, found.seeds.n, found.shared) == (4, 2, 2, (0, 1))


def test_sheet_is_sorted_and_says_what_it_means(cells: Sequence[CellResult], make: Make, tmp_path: Path) -> None:
    alone = with_features(make("other-images", tasks=2), tmp_path, 0.0, real=1)
    fewer = with_features(make("fewer", tasks=2), tmp_path, 0.0, images=4)
    lacking = [make("nothing", tasks=2), make("nothing", seed=1, tasks=2)]
    one_seed = with_features(make("one-seed", tasks=2), tmp_path, -1.0)
    (sheet,) = paired_sheets(read_pairs([*cells, alone, fewer, *lacking, one_seed]))
    assert sheet.title == "Paired differences in A_mmd against stamina: toy, mini tier, tiny"
    biased, unbiased = sheet.grids
    assert (biased.title, unbiased.title) == ("A_mmd less stamina's", "A_mmd unbiased less stamina's")
    values = [float(row[1]) for row in biased.rows]
    assert values == sorted(values)
    assert {row[0] for row in biased.rows} == {"far", "near", "one-seed"}
    assert {row[0]: row[4] for row in biased.rows}["one-seed"] == "[—]"
    far = next(row for row in biased.rows if row[0] == "far")
    assert far[1].startswith("+")
    assert "(prompt, seed)" not in far[5]
    notes = "\n".join(sheet.notes)
    assert "Run seeds that both have: 0, 1 (far, near); 0 (one-seed)." in notes
    assert "in common with stamina: other-images, fewer." in notes
    assert "Left out: 2 cells (no features)." in notes
    for meaning in ("what other noise in sampling would change", "for other concepts", "training and sampling anew"):
        assert meaning in notes


def test_equal_methods_differ_by_nothing(make: Make, tmp_path: Path) -> None:
    same = [with_features(make(label, tasks=2), tmp_path, 0.5) for label in ("b", "a")]
    (sheet,) = paired_sheets(read_pairs(same))
    assert "against b" in sheet.title  # the first, where there is no stamina
    assert sheet.grids[0].rows == (("a", "0.00", "[0.00, 0.00]", "[0.00, 0.00]", "[—]", "(prompt, seed); tasks"),)


def test_every_pair_in_one_file(cells: Sequence[CellResult]) -> None:
    records = list(csv.DictReader(io.StringIO(pairwise_csv(read_pairs(cells)))))
    assert [(r["metric"], r["first"], r["second"]) for r in records] == [
        (metric, *pair)
        for metric in ("a_mmd", "a_mmd_unbiased")
        for pair in (("stamina", "far"), ("stamina", "near"), ("far", "near"))
    ]
    differences = [float(r["difference"]) for r in records[:3]]
    assert differences[1] - differences[0] == pytest.approx(differences[2])  # near - far through stamina
    assert (records[0]["n_images"], records[0]["n_tasks"], records[0]["seeds"]) == ("5", "2", "0 1")


def test_groups_stay_apart_and_damage_is_named(cells: Sequence[CellResult], make: Make, tmp_path: Path) -> None:
    partial = with_features(make("ti", tasks=2, total=9, partial=True), tmp_path, 0.0)
    groups = read_pairs([*cells, partial, make("ti", benchmark="bare")])
    assert [(group.partial, len(group.scored)) for group in groups] == [(False, 3), (True, 1)]
    assert len(paired_sheets(groups)) == 1
    path = cells[0].tasks[0].features[2]
    path.write_bytes(b"nothing")
    with pytest.raises(StoreError, match=r"made\.safetensors is damaged"):
        read_pairs(cells)
    path.unlink()
    assert read_pairs(cells)[0].without == {"no features": 1}


def ordered(make: Make, label: str, order: int, seed: int, value: float, **other: object) -> CellResult:
    name = "toy" if order == 0 else f"toy-order{order}"
    cell = make(label, seed=seed, benchmark=name, whole={"a_mmd": value}, **other)
    return cell.model_copy(update={"order": order, "base": "toy" if order else ""})


def test_spread_over_orders_by_hand(make: Make) -> None:
    found = [
        *(ordered(make, "cd", 0, seed, value) for seed, value in ((0, 1.0), (1, 3.0))),  # mean 2
        ordered(make, "cd", 1, 0, 4.0),
        ordered(make, "cd", 2, 0, 9.0),
        ordered(make, "ti", 0, 0, 5.0),
        ordered(make, "ti", 2, 0, 7.0),
        ordered(make, "lora", 1, 0, 1.0),
        ordered(make, "cd", 3, 0, 99.0, total=50, partial=True),
    ]
    (sheet,) = order_sheets(found)
    (grid,) = sheet.grids
    assert sheet.title == "Orders of tasks: toy, mini tier, tiny"
    assert grid.head == ("method", "own order ↓", "order 1 ↓", "order 2 ↓", "over orders ↓", "95 %", "orders")
    spread = 13**0.5  # 2, 4, 9 about 5: (9 + 1 + 16) / 2
    t2 = 4.302652729911275
    reach = t2 * spread / 3**0.5
    assert grid.rows[0] == (
        "cd", "2.00 ± 1.41", "4.00", "9.00", f"5.00 ± {spread:.2f}", f"[{5 - reach:.2f}, {5 + reach:.2f}]", "3",
    )  # fmt: skip
    assert grid.rows[1][:5] == ("ti", "5.00", "not run", "7.00", "6.00 ± 1.41")
    assert len(grid.rows) == 2
    assert "own order: 0, 1; order 1: 0; order 2: 0." in sheet.notes[0]
    assert order_sheets(found[:2]) == []
