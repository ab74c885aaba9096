from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StoreError
from harness.store.store import MANIFEST, Store, canonical_json, key_of


def commit(store: Store, text: str = "hello", name: str = "a") -> str:
    recipe = {"name": name}
    key = key_of(recipe)
    with store.commit(key, recipe) as folder:
        (folder / "data.txt").write_text(text)
    return key


def test_a_step_is_there_after_its_commit(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = commit(store)
    entry = Store(tmp_path).open(key)
    assert entry.file("data.txt").read_text() == "hello"
    assert entry.manifest["recipe"] == {"name": "a"}


def test_a_failed_commit_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def half() -> None:
        with store.commit("ab" * 32, {}) as folder:
            (folder / "data.txt").write_text("half")
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        half()
    assert store.get("ab" * 32) is None
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_second_commit_does_not_replace_the_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = commit(store, "first")
    commit(store, "second")
    assert Store(tmp_path).open(key).file("data.txt").read_text() == "first"


@pytest.mark.parametrize("damage", ["changed", "truncated", "missing", "manifest"])
def test_damage_is_named_set_aside_and_counts_as_absent(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    key = commit(store)
    folder = store.folder(key)
    if damage == "changed":
        (folder / "data.txt").write_text("jello")
    elif damage == "truncated":
        (folder / "data.txt").write_text("he")
    elif damage == "missing":
        (folder / "data.txt").unlink()
    else:
        (folder / MANIFEST).write_text("{")
    said: list[str] = []
    fresh = Store(tmp_path, said.append)
    assert fresh.get(key) is None
    assert len(said) == 1
    assert str(folder) in said[0]
    assert (MANIFEST if damage == "manifest" else "data.txt") in said[0]
    assert len(list((tmp_path / "damaged").iterdir())) == 1
    commit(fresh)
    assert fresh.open(key).file("data.txt").read_text() == "hello"


def test_a_missing_step_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="run the same command again"):
        Store(tmp_path).open("cd" * 32)


def test_an_unwritable_folder_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot be written .* --output-dir"):
        Store(tmp_path / "file" / "store").prepare()


def test_sweep_removes_only_what_dead_processes_of_this_machine_left(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = commit(store)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    owners = {
        "dead": f"{platform.node()}-{gone.pid}",
        "living": f"{platform.node()}-{os.getpid()}",
        "far": "elsewhere-1",
    }
    folders = {name: store.folder(key).parent / f".{owner}-abc" for name, owner in owners.items()}
    for folder in folders.values():
        folder.mkdir()
    store.sweep()
    assert {name for name, folder in folders.items() if folder.exists()} == {"living", "far"}
    assert store.get(key) is not None


def test_remains_without_a_manifest_do_not_block_a_step(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = commit(store)
    (store.folder(key) / MANIFEST).unlink()
    fresh = Store(tmp_path)
    assert fresh.get(key) is None
    commit(fresh, "again")
    assert fresh.open(key).file("data.txt").read_text() == "again"


def test_an_error_of_the_steps_own_code_is_not_blamed_on_the_folder(tmp_path: Path) -> None:
    def read_nothing() -> None:
        with Store(tmp_path).commit("ab" * 32, {}):
            (tmp_path / "no such file").read_text()

    with pytest.raises(FileNotFoundError):
        read_nothing()


def test_results_are_readable_as_the_umask_says(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = commit(store)
    plain = tmp_path / "plain"
    plain.write_text("")
    modes = {p.stat().st_mode for p in store.folder(key).iterdir()}
    assert modes == {plain.stat().st_mode}


def test_two_processes_that_make_the_same_step_end_with_one_whole_step(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from harness.store.store import Store\n"
        "with Store(Path(sys.argv[1])).commit('ef'*32, {}) as f:\n"
        "    (f/'data.txt').write_text(sys.argv[2]); time.sleep(0.5)\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), text]) for text in ("one", "two")]
    assert [run.wait() for run in runs] == [0, 0]
    assert Store(tmp_path).open("ef" * 32).file("data.txt").read_text() in ("one", "two")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values))
def test_keys_depend_on_content_not_on_order(recipe: dict[str, object]) -> None:
    turned = dict(reversed(recipe.items()))
    assert key_of(turned) == key_of(recipe)
    assert json.loads(canonical_json(recipe)) == recipe
    assert key_of({**recipe, "one more": 1, "": ""}) != key_of({**recipe, "one more": 2, "": ""})
