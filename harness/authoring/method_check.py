"""What `stamina-bench check` finds in a method: its text, its hooks in short trainings of three tasks, its defaults.

A run looks at all of this, too, but for three things: here the trainings are made a second time, by another process in
which sets have another order, and must end in the same bits; a third time, with the adapters in another order, and must
end nearly the same; and the defaults are laid beside a built-in method's.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from rich.console import Console

from harness import api, registry
from harness.authoring.findings import Finding, Looked, Told
from harness.engine import runner
from harness.engine.display import QuietDisplay
from harness.errors import UncountedSourceWarning, UsageError
from harness.front.beforehand import unequal_training
from harness.overrides import assignments, method_names, method_specs, protocol_changes
from harness.plugins.hooks import LOSSES, MEASURES
from harness.sources.home import is_built_in, is_ours
from harness.sources.replaced_hooks import used_names
from harness.spec import Frozen, MethodSpec, RunSpec, SettingName
from harness.store.artifacts import MEMORY, TRAINING, WEIGHTS

if TYPE_CHECKING:
    from harness.engine.plan import Plan, Step
    from harness.engine.runner import Executor
    from harness.settings.base import Setting
    from harness.store.store import Entry, Store

TASKS = (1, 2, 3)  # what grows with the tasks is told by the third
OTHER_ORDER = "1"  # of sets of texts: runs have that of 0, or of the user's own seed
FAR = 0.01  # of what a task changed: sums of floats in another order are far below it
Part = Literal["class", "text", "training", "again", "order", "defaults"]


class Learnt(Frozen):
    """What one task left.

    Attributes:
        parameters: How many were trained. memory: bytes that the next task is given. seconds: of the training.
        changed: How far it moved the weights of the projections, as a share of their norm; 0 where it kept none.
    """

    parameters: int
    memory: int
    seconds: float
    changed: float = 0.0


class Checked(Looked):
    """What was found, and on what.

    Attributes:
        options: What the trainings were shortened to.
        penalties, measures: What its hooks gave, by name. learnt: what each task left.
        reach: Penalty -> of how many adapters it is, in words; of the last task.
        shares: Penalty -> how large it was at most beside the loss, at a logged step of any task.
    """

    method: str
    setting: SettingName
    tier: str
    benchmark: str
    options: dict[str, Any]
    penalties: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    learnt: tuple[Learnt, ...] = ()
    reach: Mapping[str, str] = Field(default={})
    shares: Mapping[str, float] = Field(default={})


def check(
    method: str | type[Any], options: Mapping[str, Any] | Sequence[str] = (), *, tier: str = "mini",
    setting: SettingName | None = None, benchmark: str | None = None, backbone: str | None = None, device: str = "auto",
    offline: bool = True, tell: Told = lambda text: None,
) -> Checked:  # fmt: skip
    """Look at a method of your own: what its text shows, its hooks in short trainings, its defaults.

    Args:
        method: 'FILE.py:Class', a registered name, or a class.
        options: changed ones, as {'rank': 8} or ['rank=8']. tier: whose options, model and images to take.
        setting: the method's; by default the first that it is for. benchmark: whose first three tasks are learnt.
        backbone: a folder or a hub id instead of the tier's. device: 'auto', 'cpu' or 'cuda:0'.
        offline: whether nothing is downloaded. tell: is told what is being done, in sentences.

    Raises:
        UsageError: what is named cannot be used, the class as a method among it, as its options and hooks say.
        BenchError: no work can begin on this machine.

    Example:
        >>> found = sb.check("my_method.py:MyMethod")
        >>> [finding.text for finding in found.findings]
    """
    from harness.front.method_names import reference

    called = method if isinstance(method, str) else reference(method, setting or registry.setting_names()[0])
    if len(names := method_names(called)) > 1 or called == "all":
        raise UsageError(f"One method can be checked at a time, not {' and '.join(names)}.")
    of = registry.setting(setting or registry.settings_of(names[0])[0])
    given = assignments(options)
    for change in given:
        if change.key.partition(".")[0] in map(_protocol, registry.setting_names()):
            raise UsageError(
                f"--set '{change.text}' changes how a run draws or tests, which `check` does as shortly as it can; "
                "leave it out."
            )
    spec = RunSpec(
        benchmark=benchmark or of.quick_benchmark, methods=method_specs(names[0], given, of.name),
        tier=registry.tiers().get(tier).name, backbone=backbone, device=device, offline=offline, output=Path(),
    )  # fmt: skip
    return _Check(spec, of, tell).made()


def _protocol(setting: SettingName) -> str:
    return registry.setting(setting).protocol_name


class _Notes(QuietDisplay):
    """Keeps what a run would say."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True))
        self.said: list[str] = []

    def note(self, message: str) -> None:
        self.said.append(message)


class _Check:
    def __init__(self, spec: RunSpec, of: Setting, tell: Told) -> None:
        self.of, self.tell = of, tell
        self.name, changes = spec.methods[0].name, spec.methods[0].changes
        short = {k: v for k, v in of.quick_options.items() if k not in changes}
        self.options = {**short, **changes}
        method = MethodSpec(name=self.name, changes=self.options)
        wanted = of.quick_protocol_on(spec.backbone or of.default_backbone(registry.tiers().get(spec.tier)))
        quick = protocol_changes([f"{of.protocol_name}.{k}={v}" for k, v in wanted.items()])
        self.given = spec
        self.spec = spec.model_copy(update={"methods": (method,), "tasks": TASKS, "keep_going": False, **quick})
        self.findings: list[Finding] = []
        self.facts: dict[str, Any] = {}
        self.looked_at: list[Part] = []

    def made(self) -> Checked:
        self.look()
        return Checked(
            method=self.name, setting=self.of.name, tier=self.spec.tier, benchmark=self.spec.benchmark,
            options=self.options, findings=tuple(self.findings), looked_at=tuple(self.looked_at), **self.facts,
        )  # fmt: skip

    def found(self, part: Part, text: str, *, wrong: bool = False) -> None:
        self.findings.append(Finding(part=part, wrong=wrong, text=text))

    def look(self) -> None:
        plugin = registry.methods(self.of.name).get(self.name)
        with TemporaryDirectory() as first, warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UncountedSourceWarning)
            prepared = api.prepare(self.spec.model_copy(update={"output": Path(first)}))
            self.looked_at += ["class", "text"]
            own = is_built_in(plugin)
            files = [file for file in plugin.source_files() if own or not is_ours(file)]
            self.facts["files"] = tuple(map(str, files))
            for text in dict.fromkeys(str(w.message).partition(": ")[2] for w in said):
                self.found("text", text)
            self.looked_at.append("training")
            if self.train(prepared, "training"):
                self.facts |= _facts(prepared.plan, prepared.store)
                self.again(prepared)
                if not is_built_in(plugin) and not self.wrong and not _joins(plugin):
                    self.order(prepared)
            self.defaults()

    @property
    def wrong(self) -> bool:
        return any(finding.wrong for finding in self.findings)

    def train(self, prepared: api.Prepared, part: Literal["training", "again", "order"]) -> bool:
        """Learn the tasks; whether that went to its end."""
        display = _Notes()
        executor = _executor(prepared, fresh=part == "again", backwards=part == "order")
        began = time.monotonic()
        outcome = runner.run(prepared.plan, prepared.store, executor, prepared.progress, display, keep_going=False)
        if part == "training":
            self.tell(f"{len(TASKS)} tasks took {time.monotonic() - began:.0f} s.")
        errors = list(outcome.errors.values())
        notes = [text for text in display.said if not text.startswith("failed: ")]
        if part == "training":  # the others say the same
            for text in dict.fromkeys(text.partition(": ")[2].partition(": ")[2] or text for text in notes):
                self.found(part, text)
        for error in errors:
            self.found(part, error, wrong=True)
        return not errors

    def again(self, prepared: api.Prepared) -> None:
        self.looked_at.append("again")
        self.tell("The same once more, in another process.")
        with TemporaryDirectory() as second:
            other = api.prepare(self.spec.model_copy(update={"output": Path(second)}))
            if self.train(other, "again") and (text := _difference(prepared, other)):
                self.found("again", text, wrong=True)

    def order(self, prepared: api.Prepared) -> None:
        """Learn the tasks with the adapters in another order: what is of one projection must not count for another."""
        self.looked_at.append("order")
        self.tell("And with the adapters that attach() gives last one first.")
        with TemporaryDirectory() as third:
            other = api.prepare(self.spec.model_copy(update={"output": Path(third)}))
            if self.train(other, "order") and (text := _order_matters(prepared, other)):
                self.found("order", text)

    def defaults(self) -> None:
        """What a table would say of its budget beside a built-in method's."""
        self.looked_at.append("defaults")
        beside = next(name for name in self.of.default_methods if name != self.name)
        methods = (MethodSpec(name=beside), *self.given.methods)
        with TemporaryDirectory() as folder:
            both = self.spec.model_copy(update={"methods": methods, "tasks": (1,), "output": Path(folder)})
            if text := unequal_training(api.prepare(both).plan):
                self.found("defaults", text)


def _joins(plugin: type[Any]) -> bool:
    """Whether its code or a base class's asks for residuals that are computed as one: their order is `attach`'s."""
    functions = [value for kind in plugin.__mro__ for value in vars(kind).values() if isinstance(value, FunctionType)]
    return any("joined" in used_names(function.__code__) for function in functions)


def _executor(prepared: api.Prepared, *, fresh: bool, backwards: bool) -> Executor:
    from harness.executors.local import LocalExecutor

    slots = api.slots_of(prepared)[:1]
    context = replace(prepared.plan.context, backwards=backwards)
    return LocalExecutor(context, prepared.store.root, slots, hash_seed=OTHER_ORDER if fresh else None)


def _trainings(plan: Plan, store: Store) -> Iterator[tuple[Step, Entry]]:
    """The steps in which a method's code taught the model something, in the order of the tasks."""
    kinds = plan.setting.step_kinds
    for step in plan.steps.values():
        if kinds[step.kind].chained:
            yield step, store.open(step.key)


def _facts(plan: Plan, store: Store) -> dict[str, Any]:
    learnt, penalties, measures = [], dict[str, None](), dict[str, None]()
    reach, shares = dict[str, str](), dict[str, float]()
    for step, entry in _trainings(plan, store):
        if step.kind != "train":
            continue
        training = entry.json(TRAINING)
        penalties |= dict.fromkeys(name for each in training["losses"] for name in each if name not in LOSSES)
        for each in training["losses"]:
            loss = abs(next((each[name] for name in ("sd", "ce") if name in each), 0.0))
            for name in each.keys() - LOSSES:
                shares[name] = max(shares.get(name, 0.0), abs(each[name]) / loss if loss else 0.0)
        measures |= dict.fromkeys(training["measures"])
        memory = entry.file(MEMORY).stat().st_size if MEMORY in entry.manifest["files"] else 0
        seconds = entry.manifest["facts"]["train_seconds"]
        reach |= entry.manifest["facts"].get("reach", {})
        parameters = int(training["measures"]["trained_parameters"])
        moved = _changed(entry, training["measures"]["residual_norm"])
        learnt.append(Learnt(parameters=parameters, memory=memory, seconds=seconds, changed=moved))
    return {
        "learnt": tuple(learnt),
        "penalties": tuple(penalties),
        "reach": reach,
        "shares": shares,
        "measures": tuple(n for n in measures if n not in MEASURES),
    }


def _changed(entry: Entry, residual_norm: float) -> float:
    """How far a training moved weights, the mean over projections of norms, beside the same mean of the weights."""
    from safetensors.torch import load_file

    if WEIGHTS not in entry.manifest["files"]:
        return 0.0
    norms = [float(weight.float().norm()) for weight in load_file(str(entry.file(WEIGHTS))).values()]
    return residual_norm * len(norms) / sum(norms) if any(norms) else 0.0


def _difference(first: api.Prepared, second: api.Prepared) -> str:
    """The first training that did not come out the same to the last bit, and where; empty if all did."""
    others = {step.key: entry for step, entry in _trainings(second.plan, second.store)}
    for step, entry in _trainings(first.plan, first.store):
        other = others.get(step.key)
        if other is None:
            return "what it is written in, or its options, changed meanwhile; check it again."
        names = sorted({*entry.manifest["files"], *other.manifest["files"]})
        if text := _files_differ(entry, other, [name for name in names if name.endswith(".safetensors")]):
            what = step.label.rpartition(": ")[2]
            return (
                f"two runs with the same seed differ: {what}, {text}. Draw from the generator that a hook is given, "
                "keep nothing in the process, and go through no set in the order that it happens to have (sorted())."
            )
    return ""


def _order_matters(first: api.Prepared, second: api.Prepared) -> str:
    """The first training whose weights hang on the order of the adapters, and by how much; empty if none does."""
    from safetensors.torch import load_file

    others = {step.key: entry for step, entry in _trainings(second.plan, second.store)}
    for step, entry in _trainings(first.plan, first.store):
        other = others.get(step.key)
        if other is None or not {WEIGHTS} <= entry.manifest["files"].keys() & other.manifest["files"].keys():
            continue
        ours, theirs = (load_file(str(each.file(WEIGHTS))) for each in (entry, other))
        gap = sum(float((ours[name] - theirs[name]).float().norm()) for name in ours) / max(1, len(ours))
        changed = float(entry.json(TRAINING)["measures"].get("residual_norm", 0.0))
        if gap > FAR * changed > 0:
            return (
                f"{step.label.rpartition(': ')[2]} comes out otherwise, by {100 * gap / changed:.2g} % of what it "
                "changed, with the adapters that attach() gives last one first: go by whole names, not by numbers or "
                "parts of names (draws for one adapter after another do it, too, and may be meant)."
            )
    return ""


def _files_differ(entry: Entry, other: Entry, names: Sequence[str]) -> str:
    from safetensors.torch import load_file

    for name in names:
        lacking = [each for each in (entry, other) if name not in each.manifest["files"]]
        if lacking:
            return f"{name} is there only once"
        if entry.manifest["files"][name] == other.manifest["files"][name]:
            continue
        ours, theirs = load_file(str(entry.file(name))), load_file(str(other.file(name)))
        if set(ours) != set(theirs):
            return f"{name} has other tensors ({sorted(set(ours) ^ set(theirs))[0]})"
        for tensor in ours:
            if ours[tensor].shape != theirs[tensor].shape:
                return f"{tensor} in {name} has another shape"
            gap = float((ours[tensor].double() - theirs[tensor].double()).abs().max()) if ours[tensor].numel() else 0.0
            if gap:
                return f"{tensor} in {name} by up to {gap:.2g}"
    return ""
