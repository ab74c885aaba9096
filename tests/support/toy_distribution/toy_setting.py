"""A third setting, as another distribution would bring it: a model of one number follows some numbers in turn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from harness.engine.plan import Cell, CellRequest, Plan, RunContext
from harness.method import Method
from harness.settings.base import Given, Setting, StepKind
from harness.settings.presentation import Column, Presentation
from harness.spec import Benchmark, Frozen, Options, RunSpec, Task, Tier


class Rounding(Frozen):
    digits: int = Field(6, ge=0, description="decimals that the model keeps")


class ToyOptions(Options):
    rate: float = Field(0.5, gt=0, le=1, description="how far a step goes")
    steps: int = Field(4, ge=1, description="training steps per task")


class Follow(Method[ToyOptions]):
    options_class = ToyOptions
    summary = "goes towards each number"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {"rate": (0.25, 0.5)}

    def begin_task(self, model: Any, generator: Any) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class Target:
    value: float

    def fingerprint(self) -> str:
        return f"number {self.value}"

    def load(self, size: int) -> NDArray[np.uint8]:
        raise NotImplementedError

    def __len__(self) -> int:
        return 1


@dataclass(frozen=True)
class Targets:
    def tasks(self) -> Sequence[Task]:
        return [Task(index=j, name=f"to {j}", category="number", images=Target(float(j))) for j in (1, 2, 3)]


BENCHMARK = Benchmark(
    name="toy3", setting="toy", title="three numbers", summary="numbers", sources={"mini": Targets()}, tuning=True
)


def train(step: Any, context: RunContext, store: Any, device: str, folder: Path) -> Mapping[str, Any]:
    earlier, options = step.work["weights"], step.recipe["options"]
    value = store.open(earlier).json("model.json")["value"] if earlier else 0.0
    for _ in range(options["steps"]):
        value += options["rate"] * (step.work["target"] - value)
    value = round(value + 1e-3 * step.recipe["seed"], step.recipe["protocol"]["digits"])
    (folder / "model.json").write_text(json.dumps({"value": value}))
    measures = {"final_loss": abs(step.work["target"] - value)}
    (folder / "training.json").write_text(json.dumps({"measures": measures, "layer_distance": {}, "losses": []}))
    return {"train_seconds": 0.0}


def score(step: Any, context: RunContext, store: Any, device: str, folder: Path) -> Mapping[str, Any]:
    last = store.open(step.parents[-1]).json("model.json")["value"]
    errors = [abs(last - target) for target in step.work["targets"]]
    rows = {"toy_error": sum(errors) / len(errors), "toy_last": errors[-1]}
    figures = [{"metric": name, "value": value, "n": len(errors), "unit": "1", "task": None, "layer": None}
               for name, value in rows.items()]  # fmt: skip
    protocol = {"kernel": "the distance between two numbers"}
    (folder / "figures.json").write_text(json.dumps({"figures": figures, "protocol": protocol}))
    return {"train_seconds": [0.0] * len(errors)}


class Toy(Setting):
    name = "toy"
    base_options = ToyOptions
    budget = ("steps",)
    default_methods = ("follow",)
    protocol_name, protocol_class = "rounding", Rounding
    headline, headline_names, headline_unit = ("toy_error", "toy_last"), ("error", "last"), "plain"
    step_kinds: ClassVar[Mapping[str, StepKind]] = {
        "train": StepKind("toy_setting:train", 1, chained=True),
        "score": StepKind("toy_setting:score", 1, scoring=True),
    }  # fmt: skip
    preload = "toy_setting"
    scoring_modules = (Path(__file__),)
    criterion = "toy_error, lower is better"
    trial_metrics = ("toy_error",)
    verified = ("toy_error",)

    def tasks(self, benchmark: Benchmark, tier: Tier, spec: RunSpec, seed: int) -> Sequence[Task]:
        return benchmark.tasks(tier.name)

    def default_backbone(self, tier: Tier) -> str:
        return str(Path(__file__).parent / "toy_model")

    def find_backbone(self, source: str, *, offline: bool) -> Path:
        return Path(source)

    def protocol(self, tier: Tier) -> Rounding:
        return Rounding()

    def context(self, given: Given) -> RunContext:
        return RunContext(
            given.tier, self.changed_protocol(given.tier, given.spec), str(given.folder), given.backbone_name,
            given.backbone_hash, "", "", given.device_type, "float32", cautions=given.cautions, setting=self.name,
        )  # fmt: skip

    def add_cell(self, plan: Plan, request: CellRequest) -> Cell:
        trains: list[str] = []
        for task in request.tasks:
            recipe = {
                "method": request.name, "source": request.method.source_hash(), "concept": plan.concept(task),
                "options": request.options.model_dump(), "seed": request.seed,
                "protocol": plan.context.protocol.model_dump(), **plan.model(),
            }  # fmt: skip
            earlier = trains[-1:]
            work = {"target": task.images.value, "weights": earlier[0] if earlier else None, "method": request.name}
            label = f"{request.name} seed {request.seed}: train task {task.index}"
            trains.append(plan.add("train", recipe, earlier, work, label, (0, task.index)))
        recipe = {"metrics": self.metrics_hash, "tasks": len(trains)}
        work = {"targets": [task.images.value for task in request.tasks]}
        scored = plan.add("score", recipe, trains, work, f"{request.name} seed {request.seed}: score", (4,))
        contents = plan.contents(request.tasks)
        return plan.keep(
            request, score=scored, trains=trains, steps=[*trains, scored], source=request.method.source_hash(),
            content="+".join(contents), contents=contents,
        )  # fmt: skip

    def present(self) -> Presentation:
        columns = (
            Column("toy_error", "1", "mean error", "error", ("mean", "error"), digits=3, score=True),
            Column("toy_last", "1", "last error", "last", ("last", "error"), digits=3, score=True),
        )
        return Presentation(columns, units="Errors are plain numbers.", headline=("toy_error",))
