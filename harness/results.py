"""The one schema of results: tidy rows, and the cells they belong to.

Every table, figure and file that the project prints is made from these rows. `harness.schemas` publishes the schemas of
the files that hold them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from harness.spec import Frozen, SettingName
from harness.store.identity import MadeBy

FIXED_ORDER = "for every seed"  # how a protocol's class order ends where the seeds do not draw it
SCHEMA_VERSION = 1  # of results.json and of reference results; run files have their own, see `harness.store.migrations`

# the metrics of the built-in settings, in the order in which files list them; plugins have more
METRICS = (
    "a_mmd",
    "a_mmd_unbiased",
    "f_mmd",
    "f_mmd_unbiased",
    "kid",
    "n_param",
    "plasticity_distance",
    "mask_density",
    "residual_norm",
    "train_seconds",
    "noise_floor",
    "codec_floor",
    "learned_mmd",
    "f_kid",
    "mmd",
    "a_n",
    "interference",
    "overlap",
    "change_density",
    "memory",
    "memory_growth",
    "accuracy",
    "learned_accuracy",
    "a_n_mean",
    "forgetting_max",
    "forgetting_step",
)
Metric = str


class CellFigure(Frozen, allow_inf_nan=True):  # a figure that came out as nan is reported as it is
    """One figure of a cell.

    `task` is 1-based, or None for a figure of the whole cell. `layer` names the K/V matrix for per-layer figures.
    `low` and `high` bound a 95 % interval where one can be given. `n` is the number of images, tasks or matrices that
    the value averages over. `unit`: '1e-3' (MMD scores times 1000, lower is better), '1' (a plain number),
    '%' (share of the U-Net), 's' (seconds), 'fraction' (0 to 1), 'MB'. `after` is i of a figure of X_{i,j}, j
    being `task`.

    Beside the paper's scores: `learned_mmd` is MMD(X_{D,j}, X_{j,j}), what a task is like just after it was learned;
    `mmd` is MMD(X_{D,j}, X_{i,j}) with `after` = i, and `a_n` its mean over j <= n = `task`, both where a run had
    `--full-matrix`; `f_kid` is forgetting by KID; `interference` is the share of a task's squared change that falls
    on entries which earlier tasks had changed, `overlap` the cosine of both changes' magnitudes, `change_density` the
    share of entries that a task changed (of STAMINA: its mask's density), the last with `layer`, too. `memory` is what
    a method keeps between tasks, `memory_growth` what a task adds to it.

    In the classification setting, all in % of test images, higher is better but for forgetting: `accuracy` is a_{i,j}
    with `after` = i and `task` = j; `learned_accuracy` is a_{j,j}, and its mean over tasks; `a_n` is the mean of
    a_{n,j} over j <= n = `task`, and without a task A_N; `a_n_mean` the mean of A_1, ..., A_N. `forgetting_max` of task
    j < N is the highest a_{i,j}, i < N, less the final a_{N,j}; `forgetting_step` of task t > 1 is what learning it
    cost, the mean over j < t of a_{t-1,j} - a_{t,j}; both without a task are the means over tasks.
    """

    task: int | None = None
    metric: Metric
    value: float
    low: float | None = None
    high: float | None = None
    n: int
    unit: str
    layer: str | None = None
    after: int | None = None


class Figures(Frozen):
    """figures.json of a score in the store: a cell's figures, and how they were measured.

    Seconds of training stand in the step's manifest; older scores have them among the figures.
    """

    figures: tuple[CellFigure, ...]
    protocol: Mapping[str, str]


class Measure(Frozen):
    """A metric that a run was asked for beside its setting's own figures: how tables and files show it.

    Its rows are called `name`, of X_{N,j}, `name.learned`, of X_{j,j}, and `name.forgotten`, by how much the first is
    worse than the second; in `unit`, which is that of tables, too. Of edited prompts, and of
    such without a token, there is `name` alone.
    """

    name: str
    title: str
    summary: str
    unit: str
    higher: bool = Field(description="whether higher is better; of what was forgotten lower always is")
    digits: int = Field(description="after the decimal point in tables")
    source: str = Field("", description="short hash of what it is written in")
    of: Literal["concepts", "edits", "base"] = Field(
        "concepts", description="of images of each task's own prompt, of edited prompts, or of prompts without a token"
    )


class MeasureFigures(Frozen):
    """figures.json of a metric in the store."""

    metric: Measure
    figures: tuple[CellFigure, ...]


class Row(CellFigure):
    """One figure with the cell that it belongs to; `method` is the cell's label."""

    benchmark: str
    tier: str
    backbone: str
    method: str
    seed: int
    partial: bool

    @property
    def detail(self) -> bool:
        """Whether it is a figure of one layer, or of one X_{i,j}: what tables leave out."""
        return self.layer is not None or self.after is not None


class TidyRow(Frozen):
    """One row of results.json, as `Row` has it; what is not finite is null."""

    benchmark: str
    tier: str
    backbone: str
    method: str
    seed: int
    task: int | None
    metric: Metric
    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    partial: bool


class Results(Frozen):
    """results.json of a report: every row but those of single layers and of X_{i,j}."""

    schema_version: int = Field(json_schema_extra={"const": SCHEMA_VERSION})
    measures: tuple[Measure, ...] = Field((), description="metrics of rows beside the settings' own")
    rows: tuple[TidyRow, ...]


class TaskResult(Frozen):
    """One task: its name, and where its images lie, in folders of PNG files named 00.png, 01.png, ...

    Image k of every folder of a task, and of every method's at the same seed, was made from the same noise.
    """

    index: int = Field(ge=1)
    name: str
    category: str
    # the next two are None in the classification setting, where nothing is drawn
    real: Path | None = None
    generated: Path | None = None  # X_{N,j}: by the model after the last task
    # i -> X_{i,j}, ascending, for each i >= j that was generated: j and N at least; of runs before version 3 N alone
    after: Mapping[int, Path] = {}
    training: Path | None = None  # JSON file with the task's `losses`: [{"step": 0, "sd": 0.1, <penalty>: ...}, ...]
    real_features: Path | None = None  # safetensors file, 'images': (n, d), row k of image k
    features: Mapping[int, Path] = {}  # i -> the same of X_{i,j}
    content: str = ""  # hash of its images and category word; empty: not known, and in the classification setting


class Composition(Frozen):
    """Images of several concepts in one prompt, by the model after the last task. There is no score for them."""

    prompt: str  # as people write it: 'a photo of V1 person posing next to V2 waterfall'
    tasks: tuple[int, ...]
    images: Path


class PlainPrompt(Frozen):
    """Images of a prompt without a custom token, from the same noise before all tasks and after the last."""

    prompt: str
    before: Path
    after: Path


class Unfinished(Frozen):
    """A cell that a run was asked for and that has no result: how far it came, and why it stopped where that is known.

    `trained` tasks of `tasks` are in the store. `reason` is empty for a cell that simply has not been made yet.
    """

    benchmark: str
    tier: str
    backbone: str
    label: str
    seed: int
    trained: int
    tasks: int
    reason: str = ""
    setting: SettingName = "customization"
    content: str = ""  # these five as of `CellResult`
    contents: tuple[str, ...] = ()  # of each task
    made_by: MadeBy = MadeBy()
    order: int = 0
    tasks_total: int = 0


class CellResult(Frozen):
    """One finished cell: (benchmark, tier, backbone, method, seed) with its options, rows and pictures.

    `label` is the method's name, followed by its changed options in brackets where they differ from the tier's
    defaults. `variant` tells apart what options do not: cells of different sources or checkpoints are not averaged;
    `made_by` says what that was. `content` is a hash of what the tasks are, their images and category words, which a
    benchmark's name does not tell: of the tasks that were run, or in classification of all classes in any order; empty
    where it is not known.
    `tasks_total` is the benchmark's length, `tasks` holds those that were run. `protocol` records kernel,
    extractor, estimators, sampler and so on as plain text values.
    """

    benchmark: str
    setting: SettingName = "customization"
    title: str
    tier: str
    backbone: str
    method: str
    label: str
    seed: int
    options: Mapping[str, Any]
    variant: str = ""
    partial: bool
    tasks_total: int
    tasks: tuple[TaskResult, ...]
    protocol: Mapping[str, str]
    rows: tuple[Row, ...]
    compositions: tuple[Composition, ...] = ()
    plain: tuple[PlainPrompt, ...] = ()  # where a metric that was asked for looks at them
    order: int = 0  # 0: the benchmark's own order of tasks; else the number of a shuffled one
    base: str = ""  # the benchmark's name without the order, where it has one
    key: str = ""  # of its score in the store
    store: Path | None = None
    run_file: Path | None = None  # the run's configuration
    content: str = ""
    made_by: MadeBy = MadeBy()
    registered: bool = True  # whether it is the benchmark that is registered under its name, with published figures
    inherited: tuple[str, ...] = ()  # options that say how much is trained and are another tier's defaults
    measures: tuple[Measure, ...] = ()  # of `rows`, those beside the setting's own
    notes: tuple[str, ...] = ()  # what was told while a plugin was trained, each once
    measure_notes: tuple[str, ...] = ()  # the same of its metrics
    keeps_data: str = ""  # what a built-in method keeps of earlier tasks' data, against the rule that none is
    # where `reports.cells.apart` added something to the benchmark's name: the name itself; and why
    called: str = ""
    apart: tuple[str, ...] = ()


def measures_of(cells: Iterable[CellResult]) -> tuple[Measure, ...]:
    """Each metric that some of the cells have beside their setting's own, once; the newest cell's word counts."""
    return tuple({measure.name: measure for cell in cells for measure in cell.measures}.values())
