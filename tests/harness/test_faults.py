"""What a fault leaves: what was finished stays, what was not is done again, and the message says what happened."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors import SafetensorError
from tests_support import InlineExecutor

from harness import api
from harness.backbones.hashes import Fingerprints
from harness.backbones.oom import out_of_memory
from harness.backbones.text_to_image import TextToImage
from harness.engine.devices import Slot
from harness.engine.display import QuietDisplay
from harness.engine.plan import RunContext, Step
from harness.engine.runner import DIED, DIED_EARLY, RETRIES, Outcome, check, run
from harness.errors import LibraryError, StoreError, UnwritableError
from harness.spec import MethodSpec, RunSpec, Sampling
from harness.store.checkpoint import Checkpoint
from harness.store.store import MANIFEST, Store, key_of

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
SAMPLING = Sampling(images=5, steps=2, guidance_scale=2.0, eta=0.0, batch_size=4)


class Said(QuietDisplay):
    """Keeps the notes."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True))
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


class Faulty(InlineExecutor):
    """`fault(step, attempt)` may raise in place of a step's work."""

    def __init__(self, setting: RunContext, root: Path, fault: Callable[[Step, int], None]) -> None:
        super().__init__(setting, root)
        self.fault, self.restarts, self.attempts = fault, 0, dict[str, int]()
        self.early = False  # whether workers die while they are starting

    def submit(self, step: Step, slot: Slot) -> Future[float]:
        self.attempts[step.key] = self.attempts.get(step.key, 0) + 1
        try:
            self.fault(step, self.attempts[step.key])
        except Exception as error:
            future: Future[float] = Future()
            future.set_exception(error)
            return future
        return super().submit(step, slot)

    def restart(self, slot: Slot) -> bool:
        self.restarts += 1
        return self.early


@pytest.fixture
def prepared(tiny_models: Path, tmp_path: Path) -> api.Prepared:
    """ti++ on two tasks of mixed50 with the tiny models."""
    spec = RunSpec(
        benchmark="mixed50", methods=(MethodSpec(name="ti++", changes={"steps": 2, "batch_size": 2}),),
        backbone=str(tiny_models / "sd"), extractor=str(tiny_models / "clip"), tasks=(1, 2),
        sampling={"steps": 2, "images": 3}, output=tmp_path / "runs",
    )  # fmt: skip
    return api.prepare(spec)


def carry_out(
    prepared: api.Prepared, fault: Callable[[Step, int], None], *, early: bool = False, **options: bool
) -> tuple[Outcome, Faulty, Said]:
    executor, display = Faulty(prepared.plan.context, prepared.store.root, fault), Said()
    executor.early = early
    progress = check(prepared.plan, Store(prepared.store.root))
    outcome = run(
        prepared.plan, Store(prepared.store.root), executor, progress, display, **{"keep_going": False} | options
    )
    return outcome, executor, display


# --------------------------------------------------------------------------------------------------------- the disk


@pytest.mark.parametrize(
    "error", [FULL, SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")]
)
def test_a_full_disk_in_the_middle_of_a_step_is_the_folders_fault(tmp_path: Path, error: Exception) -> None:
    store = Store(tmp_path)
    with (
        pytest.raises(UnwritableError, match=r"no space left on device.*free space or choose"),
        store.commit("ab" * 32, {}),
    ):
        raise error
    assert store.get("ab" * 32) is None
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_an_unwritable_folder_stops_the_run_even_with_keep_going(prepared: api.Prepared) -> None:
    def full(step: Step, attempt: int) -> None:
        if step.kind == "train":
            raise UnwritableError("The disk is full.")

    outcome, executor, _ = carry_out(prepared, full, keep_going=True)
    assert outcome.unwritable
    assert outcome.blocked == "The disk is full."
    assert sum(executor.attempts[step.key] for step in prepared.plan.steps.values() if step.kind == "train"
               and step.key in executor.attempts) == 1  # fmt: skip
    outcome, _, _ = carry_out(prepared, lambda step, attempt: None)
    assert not outcome.failed


def test_a_checkpoint_that_cannot_be_written_does_not_stop_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise FULL

    checkpoint = Checkpoint(tmp_path / "a.safetensors")
    monkeypatch.setattr("harness.store.checkpoint.write_atomically", full)
    checkpoint.write({"a": torch.ones(2)}, {"step": 1})
    assert checkpoint.trouble == "no space left on device"
    monkeypatch.undo()
    checkpoint.write({"a": torch.ones(2)}, {"step": 2})
    assert checkpoint.trouble == ""


def test_damage_in_a_folder_that_cannot_be_written_is_said_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    with store.commit("ab" * 32, {}) as folder:
        (folder / "data.txt").write_text("hello")
    (store.folder("ab" * 32) / "data.txt").write_text("jello")

    def refuse(*arguments: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("harness.store.store.os.replace", refuse)
    said: list[str] = []
    assert Store(tmp_path, said.append).get("ab" * 32) is None
    assert "damaged file data.txt" in said[0]
    assert store.folder("ab" * 32).exists()


def test_a_limit_on_the_size_of_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.machine.limits._limit", lambda name: {"FSIZE": 4096}.get(name))
    with (
        pytest.raises(
            UnwritableError, match=r"may write 4096 bytes into one\); raise that limit, `ulimit -f unlimited`"
        ),
        Store(tmp_path).commit("ab" * 32, {}),
    ):
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))


@pytest.mark.parametrize("place", ["recipe", "facts", "sha256"])
def test_a_manifest_with_one_value_changed_is_damage(tmp_path: Path, place: str) -> None:
    key = key_of({"seed": 1})
    with Store(tmp_path).commit(key, {"seed": 1}, {"seconds": 2.5}):
        pass
    path = Store(tmp_path).folder(key) / MANIFEST
    manifest = json.loads(path.read_text())
    manifest[place] = {"recipe": {"seed": 2}, "facts": {"seconds": 2.4}, "sha256": "0" * 64}[place]
    path.write_text(json.dumps(manifest))
    said: list[str] = []
    assert Store(tmp_path, said.append).get(key) is None
    assert said[0].startswith(f"damaged {MANIFEST}")


@pytest.mark.parametrize("at", [-1, -40, 60, 200])
def test_a_checkpoint_with_one_bit_changed_is_as_none(tmp_path: Path, at: int) -> None:
    checkpoint = Checkpoint(tmp_path / "a.safetensors")
    checkpoint.write({"a": torch.arange(20.0), "b": torch.ones((), dtype=torch.float64)}, {"step": 7})
    whole = bytearray(checkpoint.path.read_bytes())
    assert checkpoint.read() is not None
    whole[at] ^= 1
    checkpoint.path.write_bytes(whole)
    assert checkpoint.read() is None


def test_a_damaged_memo_of_hashes_is_made_again(tmp_path: Path) -> None:
    file, memo = tmp_path / "weights", tmp_path / "memo.json"
    file.write_text("hello")
    first = Fingerprints(memo)
    digest = first.file(file)
    first.save()
    assert digest in memo.read_text()
    memo.write_text(memo.read_text().replace(digest, "0" * 64))
    assert Fingerprints(memo).file(file) == digest


def test_content_exchanged_behind_an_old_modification_time_is_seen(tmp_path: Path) -> None:
    file, memo = tmp_path / "weights", tmp_path / "memo.json"
    file.write_text("hello")
    first = Fingerprints(memo)
    before = first.file(file)
    first.save()
    times = file.stat()
    file.write_text("jello")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert Fingerprints(memo).file(file) != before


def test_a_model_folder_is_hashed_through_links_and_without_hidden_folders(tmp_path: Path) -> None:
    model, unet = tmp_path / "model", tmp_path / "elsewhere" / "unet"
    unet.mkdir(parents=True)
    (unet / "config.json").write_text("1")
    (model / ".git").mkdir(parents=True)
    (model / "unet").symlink_to(unet)
    before = Fingerprints().folder(model)
    (model / ".git" / "FETCH_HEAD").write_text("new")
    assert Fingerprints().folder(model) == before
    (unet / "config.json").write_text("2")
    assert Fingerprints().folder(model) != before


# -------------------------------------------------------------------------------------------------------- the clock


def test_a_clock_that_jumps_changes_nothing(prepared: api.Prepared) -> None:
    carry_out(prepared, lambda step, attempt: None)
    for number, path in enumerate(sorted(prepared.store.root.rglob("*"))):
        os.utime(path, (0, 0) if number % 2 else (4e9, 4e9))
    fresh = Store(prepared.store.root)
    fresh.sweep()
    assert not check(prepared.plan, fresh).pending


# ---------------------------------------------------------------------------------------------------- two processes


def test_who_makes_a_step_holds_its_lock_until_it_dies(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from harness.store.store import Store\n"
        "with Store(Path(sys.argv[1])).lock('ef' * 32):\n    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waiting = (
        "import sys; from pathlib import Path; from harness.store.store import Store\n"
        "with Store(Path(sys.argv[1])).lock(sys.argv[2] * 32):\n    print('got it', flush=True)\n"
    )
    other = subprocess.run([sys.executable, "-c", waiting, str(tmp_path), "ab"], capture_output=True, text=True)
    assert other.stdout == "got it\n"
    with subprocess.Popen(
        [sys.executable, "-c", waiting, str(tmp_path), "ef"], stdout=subprocess.PIPE, text=True
    ) as waiter:
        with pytest.raises(subprocess.TimeoutExpired):
            waiter.wait(timeout=1.0)
        holder.kill()
        holder.wait()  # a process that nobody has asked for yet counts as alive
        assert waiter.communicate(timeout=120)[0] == "got it\n"


def test_a_file_system_without_locks_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with Store(tmp_path).lock("ab" * 32):
        pass


def test_the_lock_of_a_finished_step_does_not_stay(prepared: api.Prepared) -> None:
    carry_out(prepared, lambda step, attempt: None)
    assert not list((prepared.store.root / "locks").iterdir())


# ------------------------------------------------------------------------------------------------------- the workers


def test_the_steps_of_a_worker_that_died_are_done_again(prepared: api.Prepared) -> None:
    def die_once(step: Step, attempt: int) -> None:
        if step.kind == "train" and attempt == 1:
            raise BrokenExecutor("a process in the pool was terminated abruptly")

    outcome, executor, display = carry_out(prepared, die_once)
    assert not outcome.failed
    assert executor.restarts == 2  # of two trainings
    assert display.notes == ["The worker on cpu died, out of memory perhaps; its step is done again."] * 2
    assert executor.ran.count("train") == 2


def test_a_step_whose_worker_always_dies_fails_its_cell(prepared: api.Prepared) -> None:
    def die(step: Step, attempt: int) -> None:
        if step.kind == "train":
            raise BrokenExecutor

    outcome, executor, _ = carry_out(prepared, die)
    assert list(outcome.failed.values()) == [DIED]
    assert executor.restarts == RETRIES + 1


@pytest.mark.parametrize("always", [False, True])
def test_a_worker_that_dies_while_it_starts_is_told_apart(prepared: api.Prepared, always: bool) -> None:
    def die(step: Step, attempt: int) -> None:
        if step.kind == "train" and (always or attempt == 1):
            raise BrokenExecutor

    outcome, _, display = carry_out(prepared, die, early=True)
    assert display.notes[0] == "The worker on cpu died, while it was starting; another one starts."
    assert list(outcome.failed.values()) == [DIED_EARLY] * always


def test_a_library_that_cannot_be_imported_ends_the_run_whatever_else_could_go_on(prepared: api.Prepared) -> None:
    tried: list[str] = []

    def broken(step: Step, attempt: int) -> None:
        tried.append(step.key)
        raise LibraryError("torchvision does not go with torch.")

    with pytest.raises(LibraryError, match="does not go with"):
        carry_out(prepared, broken, keep_going=True)
    assert len(tried) == 1


# -------------------------------------------------------------------------------------------------------- the memory


def test_sampling_halves_its_batch_when_memory_runs_out(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = TextToImage.load(str(tiny_models / "sd"), torch.device("cpu"))
    whole = model.generate("a photo of a person", range(5), SAMPLING)
    sample, sizes = TextToImage._sample, list[int]()

    def small(self: TextToImage, text: torch.Tensor, empty: torch.Tensor, seeds: list[int], s: Sampling) -> object:
        sizes.append(len(seeds))
        if len(seeds) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return sample(self, text, empty, seeds, s)

    monkeypatch.setattr(TextToImage, "_sample", small)
    halved = model.generate("a photo of a person", range(5), SAMPLING)
    assert sizes == [4, 2, 2, 1]
    assert model.batch_limit == 2
    # the same noise; sums over a batch of another size may be rounded in another order
    assert np.abs(halved.astype(int) - whole.astype(int)).max() <= 1
    model.generate("a photo of a person", range(3), SAMPLING)
    assert sizes[4:] == [2, 1]  # it remembers


def test_one_image_that_does_not_fit_is_an_error(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*arguments: object) -> None:
        raise MemoryError

    model = TextToImage.load(str(tiny_models / "sd"), torch.device("cpu"))
    monkeypatch.setattr(TextToImage, "_sample", none)
    with pytest.raises(MemoryError):
        model.generate("a photo of a person", range(5), SAMPLING)


def test_a_smaller_batch_is_said_and_kept(prepared: api.Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = TextToImage._sample

    def small(self: TextToImage, text: torch.Tensor, empty: torch.Tensor, seeds: list[int], s: Sampling) -> object:
        if len(seeds) > 1:
            raise torch.OutOfMemoryError
        return sample(self, text, empty, seeds, s)

    monkeypatch.setattr(TextToImage, "_sample", small)
    outcome, _, display = carry_out(prepared, lambda step, attempt: None)
    assert not outcome.failed
    batch = prepared.plan.context.protocol.batch_size
    assert f"out of memory, so images were sampled 1 at a time instead of {batch}" in display.notes[0]
    drawn = next(step for step in prepared.plan.steps.values() if step.kind == "generate")
    assert Store(prepared.store.root).open(drawn.key).manifest["facts"]["sampled_at_a_time"] == 1


@pytest.mark.parametrize(
    ("limit", "remedy"),
    [
        (None, ""),
        (4_096_000_000, "raise the limit of 4.1 GB on the memory of a process, `ulimit -v unlimited`; or "),
    ],
)
def test_out_of_memory_in_a_training_says_what_to_do(
    prepared: api.Prepared, monkeypatch: pytest.MonkeyPatch, limit: int | None, remedy: str
) -> None:
    def none(*arguments: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] . DefaultCPUAllocator: can't allocate memory: 64 bytes")

    monkeypatch.setattr("harness.settings.customization.steps.train_task", none)
    monkeypatch.setattr("harness.machine.limits._limit", {"AS": limit}.get)
    outcome, _, _ = carry_out(prepared, lambda step, attempt: None)
    (message,) = outcome.failed.values()
    assert message.startswith(f"out of memory on cpu; {remedy}use a smaller --set batch_size")


def test_torch_says_so_in_these_words() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert out_of_memory(raised.value)
    assert not out_of_memory(RuntimeError("size mismatch"))


def test_store_errors_of_another_kind_do_not_stop_the_other_cells(prepared: api.Prepared) -> None:
    def missing(step: Step, attempt: int) -> None:
        if step.kind == "features":
            raise StoreError("Step ab is missing.")

    outcome, _, _ = carry_out(prepared, missing, keep_going=True)
    assert not outcome.unwritable
    assert outcome.blocked
