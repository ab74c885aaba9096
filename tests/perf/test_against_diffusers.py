"""Training steps and sampling against diffusers' own example scripts and pipeline, on equal models; printed and kept.

Nothing is asserted about speed: a table goes to stdout (`pytest -s`), and rows to the JSON file that
STAMINA_BENCH_PERF_RECORD names. STAMINA_BENCH_PERF_BASELINE names an earlier one to be warned by.

Of each training method there are two contenders. "equal work" encodes its images at every step, as the scripts do,
and the text of as many different prompts as there are images. "as it is" uses the harness's cache of the VAE's
posterior, drawn from anew at every step, and its one prompt. The low-rank methods have no script of their own: they are
held against Custom Diffusion's, which trains the same projections.

Every contender's step is timed within a task of 500 steps, the method's usual conditions, and stopped early.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from as_loaded import as_loaded
from diffusers import DDIMScheduler, StableDiffusionPipeline
from diffusers_loops import Script
from numpy.typing import NDArray
from pairs import REPETITIONS, Contender, Row, StepClock, Times, keep_rows, looped, matrix_rate, table, turns
from random_pipelines import clip_tokenizer, sd14_pipeline
from record import BASELINE, RECORD, Ratio, worse

from benchmarks.mini.concepts import ProceduralImages
from benchmarks.mini.tier import MINI
from harness import registry
from harness.backbones.text_to_image import TextToImage
from harness.method import Batch
from harness.settings.customization.task_data import Lesson
from harness.settings.customization.training import train_task
from harness.spec import Sampling

METHODS = {"textual_inversion": ("ti", "ti++"), "custom_diffusion": ("cd", "clora", "stamina")}
PLAIN_DATA: Mapping[str, Any] = {"prior_images": 0, "augment": False}  # as the scripts without their options for these
PROMPTS = ("a photo of a person", "a photo of a person with red hair", "a photo of a waterfall", "a photo")
CPU = torch.device("cpu")


@dataclass
class Setting:
    """Two copies of one model: one in the harness, one for the scripts.

    resident: bytes of either, on CUDA.
    """

    name: str
    ours: TextToImage
    theirs: StableDiffusionPipeline
    images: NDArray[np.uint8]
    tier: str
    resident: tuple[int, int] = (0, 0)

    @property
    def device(self) -> torch.device:
        return self.ours.device

    def script(self, batch_size: int) -> Script:
        pixels = torch.from_numpy(self.images[:batch_size]).permute(0, 3, 1, 2).float() / 127.5 - 1
        return Script(self.theirs, pixels.contiguous().to(self.device), self.ours.dtype)


def each_encoded(lesson: Lesson, size: int, generator: torch.Generator) -> Batch:
    """What `Lesson.plain` gives, with nothing cached and nothing shared among its images."""
    chosen = torch.randint(len(lesson.images), (size,), generator=generator)
    encoded = lesson.model.posterior(lesson.pixels[chosen.to(lesson.pixels.device)])
    prompts = tuple(lesson.prompt.replace("a photo", f"{word} photo", 1) for word in ("a", "the", "one", "no")[:size])
    assert len(set(prompts)) == size
    return Batch(encoded.draw(torch.arange(size), generator), prompts)


def training(setting: Setting, method: str, batch_size: int, *, cached: bool) -> Contender:
    """One task of a method through `train_task`."""
    model = setting.ours
    plugin = registry.methods().get(method)
    changes = {key: value for key, value in PLAIN_DATA.items() if key in plugin.options_class.model_fields}
    options = plugin.options_class.for_tier(setting.tier, {"steps": 500, "batch_size": batch_size, **changes})
    posterior = model.posterior(setting.images)
    lesson = Lesson(model, setting.images, posterior, "<v1>", "person", options.category_word)

    def run(clock: StepClock) -> None:
        learner = plugin(options)
        usual = learner.batch

        def batch(lesson: Lesson, generator: torch.Generator) -> Batch:
            clock.tick()
            return usual(lesson, generator) if cached else each_encoded(lesson, batch_size, generator)

        learner.batch = batch
        try:
            train_task(learner, lesson, 0, "concept")
        finally:
            model.reset()

    return run


def floor(setting: Setting, batch_size: int, *, projections: bool) -> Contender:
    """The U-Net's forward and backward passes alone: to the text, and to K and V where they are trained."""
    model = setting.ours
    latents = model.posterior(setting.images[:batch_size]).mean.to(model.dtype)
    text = model.encode_prompts(["a photo of a person"]).features.expand(batch_size, -1, -1).detach().clone()
    times = torch.arange(batch_size, device=setting.device) * 200 + 1
    trained = [text, *([p.weight for p in model.projections.values()] if projections else [])]

    def run(clock: StepClock) -> None:
        for tensor in trained:
            tensor.requires_grad_(True)
        try:
            while True:
                clock.tick()
                model.denoiser(latents, times, text).sample.float().square().mean().backward()
                for tensor in trained:
                    tensor.grad = None
        finally:
            for tensor in trained:
                tensor.requires_grad_(False)

    return run


def compare_training(
    setting: Setting, script: str, batch_size: int, *, warm_up: int, timed: int, repetitions: int = REPETITIONS,
    without: Collection[str] = (),
) -> list[Row]:  # fmt: skip
    """A script, the methods held against it, and the floor."""
    loop = setting.script(batch_size)
    contenders: dict[str, Contender] = {f"{script} script": getattr(loop, script)}
    for method in [name for name in METHODS[script] if name not in without]:
        contenders[f"{method}, equal work"] = training(setting, method, batch_size, cached=False)
        contenders[f"{method}, as it is"] = training(setting, method, batch_size, cached=True)
    base = "U-Net forward and backward"
    contenders[base] = floor(setting, batch_size, projections=script == "custom_diffusion")
    contenders["VAE encoding"] = looped(torch.no_grad()(loop.encode))
    found = turns(contenders, setting.device, warm_up=warm_up, timed=timed, repetitions=repetitions)
    name = f"{setting.name}, batch {batch_size}"
    return rows(name, setting, found, f"{script} script", base, batch_size)


def compare_sampling(
    setting: Setting, sampling: Sampling, *, images: int, warm_up: int = 0, timed: int = 1,
    repetitions: int = REPETITIONS,
) -> list[Row]:  # fmt: skip
    """The harness's batches against the pipeline called for each prompt, or for each image."""
    prompts = [prompt for prompt in PROMPTS for _ in range(images // len(PROMPTS))]
    seeds = list(range(images))
    their = setting.theirs
    usual = their.scheduler
    their.scheduler = DDIMScheduler.from_config(setting.ours.pipeline.scheduler.config)

    def pipeline(size: int) -> None:
        for start in range(0, images, size):
            generators = [torch.Generator().manual_seed(seed) for seed in seeds[start : start + size]]
            their(
                prompts[start], num_images_per_prompt=size, generator=generators, output_type="np",
                num_inference_steps=sampling.steps, guidance_scale=sampling.guidance_scale, eta=sampling.eta,
            )  # fmt: skip

    every = sampling.model_copy(update={"batch_size": images})
    each = images // len(PROMPTS)
    against = f"pipeline, {len(PROMPTS)} prompts x {each}"
    calls: dict[str, Callable[[], object]] = {
        against: partial(pipeline, each),
        f"pipeline, {images} x 1": partial(pipeline, 1),
        f"ours, {len(PROMPTS)} prompts in one batch": lambda: setting.ours.generate(prompts, seeds, every),
        f"ours, {len(PROMPTS)} prompts x {each}": lambda: [
            setting.ours.generate(prompt, seeds[:each], every) for prompt in PROMPTS
        ],
    }
    contenders = {name: looped(call) for name, call in calls.items()}
    try:
        found = turns(contenders, setting.device, warm_up=warm_up, timed=timed, repetitions=repetitions)
    finally:
        their.scheduler = usual
    return rows(f"{setting.name}, sampling {sampling.steps} steps", setting, found, against, None, images)


def rows(
    name: str, setting: Setting, found: Mapping[str, Times], against: str, base: str | None, images: int
) -> list[Row]:
    """Every contender as a row, printed and kept."""
    rate = matrix_rate(setting.device, setting.ours.dtype)
    made: list[Row] = []
    for what, times in found.items():
        is_theirs = what.endswith("script") or what.startswith(("pipeline", "VAE"))
        made.append(
            Row(
                setting=name, what=what, against=against, images=images, seconds=times.typical,
                speed=Ratio.of(found[against].seconds, times.seconds),
                floor=Ratio.of(times.seconds, found[base].seconds) if base is not None else None,
                flop=times.flop,
                peak=times.peak + setting.resident[1 if is_theirs else 0] if times.peak else 0, rate=rate,
            )
        )  # fmt: skip
    turned = len(found[against].seconds)
    title = f"{name}; against: {against}; {turned} turns, median (smallest-largest); {rate / 1e9:,.0f} GFLOP/s"
    print("\n" + table(title, made))
    keep_rows(made, setting.device)
    return made


def mini() -> Setting:
    """The embedded pipeline. Its VAE (AutoencoderTiny) costs little, so that caching gains little."""
    theirs = as_loaded(MINI.backbone)
    theirs.set_progress_bar_config(disable=True)
    images = ProceduralImages("person", "tuning", 0).load(64)
    return Setting("mini pipeline, 64 px, CPU", TextToImage.load(MINI.backbone, CPU), theirs, images, "mini")


def sd14(
    name: str, device: torch.device, dtype: torch.dtype, tokenizer: Callable[[], Any], *, size: int, narrower: int
) -> Setting:
    """Stable Diffusion 1.4's architecture, twice."""

    def held() -> int:
        return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0

    before = held()
    theirs = sd14_pipeline(tokenizer(), device, dtype, size=size, narrower=narrower)
    between = held()
    pipeline = sd14_pipeline(tokenizer(), device, dtype, size=size, narrower=narrower)
    ours = TextToImage(pipeline, device, dtype)
    images = np.random.default_rng(0).integers(0, 256, (8, size, size, 3), np.uint8)
    return Setting(name, ours, theirs, images, "paper", (held() - between, between - before))


def mini_tokenizer() -> Any:
    """The embedded pipeline's: its table has 825 rows, so that what scripts do to whole tables costs them little."""
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(f"{MINI.backbone}/tokenizer")


@pytest.fixture(autouse=True)
def _tokenizers_use_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the process's CPU time would count threads that only wait for each other."""
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="module")
def small() -> Setting:
    return mini()


@pytest.fixture(scope="module")
def scaled() -> Setting:
    """An AutoencoderKL beside a U-Net in Stable Diffusion's proportions, so that caching gains what it does there.

    By count an image's encoding is 0.67 of a K/V training step at full size, and about 0.7 here; see the GFLOP column.
    In time it is less, about 0.45 at 128 px and 0.3 at 96, as small U-Nets run less well on a CPU than small VAEs.
    """
    torch.set_num_threads(1)
    return sd14("SD 1.4 / 4, 128 px, CPU", CPU, torch.float32, mini_tokenizer, size=128, narrower=4)


@pytest.fixture(scope="module")
def full() -> Iterator[Setting]:
    yield sd14("SD 1.4, 512 px, bf16, CUDA", torch.device("cuda"), torch.bfloat16, clip_tokenizer, size=512, narrower=1)
    torch.cuda.empty_cache()


@pytest.mark.parametrize("script", METHODS)
def test_mini_training(small: Setting, script: str) -> None:
    compare_training(small, script, 4, warm_up=1, timed=3)


def test_mini_sampling(small: Setting) -> None:
    sampling = MINI.sampling.model_copy(update={"steps": 4})
    compare_sampling(small, sampling, images=16)


@pytest.mark.parametrize("script", METHODS)
def test_training_in_the_proportions_of_stable_diffusion(scaled: Setting, script: str) -> None:
    compare_training(scaled, script, 4, warm_up=1, timed=2, without=("ti++", "clora"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("batch_size", [1, 2, 4])
@pytest.mark.parametrize("script", METHODS)
def test_training_of_stable_diffusion(full: Setting, script: str, batch_size: int) -> None:
    compare_training(full, script, batch_size, warm_up=3, timed=8)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_sampling_of_stable_diffusion(full: Setting) -> None:
    sampling = Sampling(images=16, steps=20, guidance_scale=6.0, eta=1.0, batch_size=16)
    compare_sampling(full, sampling, images=16)


def test_what_runs_on_cuda_runs_here_in_small(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same code in bfloat16 with CLIP's own tokenizer: one turn, for no figures."""
    monkeypatch.delenv(RECORD, raising=False)
    monkeypatch.delenv(BASELINE, raising=False)
    setting = sd14("tiny", CPU, torch.bfloat16, clip_tokenizer, size=16, narrower=8)
    for script in METHODS:
        made = compare_training(setting, script, 2, warm_up=0, timed=1, repetitions=1, without=("ti", "cd", "clora"))
        assert len(made) == 3 + 2
        assert all(row.flop > 0 and row.seconds > 0 for row in made)
    sampling = Sampling(images=4, steps=1, guidance_scale=2.0, eta=1.0, batch_size=4)
    assert len(compare_sampling(setting, sampling, images=4, repetitions=1)) == 4
    capsys.readouterr()


def test_a_ratio_that_fell_by_more_than_a_fifth_is_named() -> None:
    def row(ratio: float, what: str = "cd, as it is") -> dict[str, Any]:
        return {"setting": "mini", "what": what, "against": "script", "speed": {"median": ratio}}

    assert worse([row(1.5)], [row(1.21), row(0.1, "new")]) == []
    assert worse([row(1.5)], [row(1.19)]) == ["mini, cd, as it is: 1.19 times as fast as script, was 1.50."]
