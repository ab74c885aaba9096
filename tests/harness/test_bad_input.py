"""What is wrong with what a user gives is said before any work, in one sentence that names it and the remedy."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from in_process import call
from PIL import Image
from tests_support import InlineExecutor

from harness.errors import ExitCode

ROOT = Path(__file__).parents[2]
SPEC = "spec: {benchmark: mixed50, methods: [{name: ti++}], tasks: [1]}\ncells: []\n"
UNET, CLIP = "unet/diffusion_pytorch_model.safetensors", "open_clip_model.safetensors"

Change = Callable[[Path], object]


def nothing(folder: Path) -> None:
    """No change."""


def put(name: str, content: str | bytes = "") -> Change:
    """Write a file."""

    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


def make(name: str) -> Change:
    """Make a folder."""
    return lambda folder: (folder / name).mkdir(parents=True)


def drop(name: str) -> Change:
    """Remove a file or a folder."""
    return lambda folder: shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()


def cut(name: str) -> Change:
    """Leave the first half of a file."""
    return lambda folder: (folder / name).write_bytes((data := (folder / name).read_bytes())[: len(data) // 2])


def rename(name: str, other: str) -> Change:
    """Rename a file or a folder."""
    return lambda folder: (folder / name).rename(folder / other)


def edit(name: str, key: str, value: object) -> Change:
    """Set a value of a JSON file; the keys that lead to it have dots between them."""

    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        *outer, last = key.split(".")
        inner = content
        for part in outer:
            inner = inner[part]
        inner[last] = value
        (folder / name).write_text(json.dumps(content), encoding="utf-8")

    return change


class Row(NamedTuple):
    """A kind of bad input: what the sentence must name, and the remedy that it must give.

    `given`: what lies in the working folder under that name, and `change`: what is then done to it. Without `given`
    the change is made in the working folder itself.
    """

    wrong: str
    arguments: str
    names: str
    remedy: str
    given: str = ""
    change: Change = nothing
    environment: Mapping[str, str] = {}


RUN = "run mixed50 -m ti++"
UPDATE = "verify --update --against new.json"
YAML = f"{RUN} --config c.yaml"

TABLE = (
    # names
    Row("a misspelt command", "rnu mixed50", "'rnu'", "Did you mean 'run'"),
    Row("a misspelt benchmark", "run mixd50", "'mixd50'", "did you mean mixed50"),
    Row("a benchmark like no other", "run zzz", "'zzz'", "known: celebahq20, imagenet-r20"),
    Row("an empty benchmark", "run ''", "benchmark ''", "known: celebahq20"),
    Row("a benchmark's module that is missing", "run no_such:BENCHMARK", "'no_such:BENCHMARK'", "PYTHONPATH=FOLDER"),
    Row("a misspelt method", "run mixed50 -m stamna", "'stamna'", "did you mean stamina"),
    Row("no method", "run mixed50 -m ,", "--methods", "known: cd, cd-ewc"),
    Row("a method twice", "run mixed50 -m ti++,ti++", "'ti++,ti++'", "name each once"),
    Row("all methods and one more", "run mixed50 -m all,ti++", "'all,ti++'", "'all' alone"),
    Row("a misspelt tier", f"{RUN} --tier mni", "'mni'", "did you mean mini"),
    Row("a tier that it lacks", "run tuning6 -m ti++ --tier paper", "'tuning6' has no tier 'paper'", "use --tier mini"),
    Row("photographs not prepared", f"{RUN} --tier paper", "'mixed50' needs photographs", "data prepare mixed50"),
    # methods of the user's own
    Row("a module that is missing", "run mixed50 -m own_none:X", "own_none:X", "PYTHONPATH=FOLDER"),
    Row("a class that is missing", "show methods.lora:X", "no attribute 'X'", "fix it"),
    Row("not a class", "run mixed50 -m json:dumps", "'json:dumps'", "no class, but a function"),
    Row(
        "a method without options", "show harness.method:Method", "'harness.method:Method'",
        "does not define begin_task()",
    ),
    Row(
        "a method without begin", "run mixed50 -m own_half:Half", "'own_half:Half'", "does not define begin_task()",
        change=put(
            "own_half.py", "from methods.lora import LoRA\nfrom harness.method import Method\n"
            "class Half(Method):\n    options_class = LoRA.options_class\n",
        ),
    ),
    Row(
        "a syntax error in its module", "run mixed50 -m own_syntax:X", "own_syntax.py, line 2", "fix it",
        change=put("own_syntax.py", "\ndef f(:\n"),
    ),
    Row(
        "a module that raises an error of two lines", "tune own_raises:X", "RuntimeError: first, in", "fix it",
        change=put("own_raises.py", "raise RuntimeError('first\\nsecond')\n"),
    ),
    Row(
        "a module that ends the program", "params -m own_ends:X", "own_ends:X", "fix it",
        change=put("own_ends.py", "raise SystemExit(0)\n"),
    ),
    # options of methods and of the sampler
    Row("--set without =", f"{RUN} --set rank", "'rank'", "option=value"),
    Row("--set without a name", f"{RUN} --set =3", "'=3'", "option=value"),
    Row("an unknown option", "run mixed50 --set rnk=3", "'rnk'", "did you mean rank"),
    Row("an option that the method lacks", "run mixed50 --set clora.tau=1", "'clora.tau=1'", "known: adam_eps"),
    Row("an option of a method that is not run", f"{RUN} --set cd.steps=1", "'cd'", "add it there"),
    Row("a word for a number", f"{RUN} --set steps=many", "'steps' cannot be 'many'", "a valid integer"),
    Row("a fraction for an integer", f"{RUN} --set steps=4.5", "'steps' cannot be 4.5", "a valid integer"),
    Row("no value", f"{RUN} --set steps=", "'steps' cannot be None", "a valid integer"),
    Row("a value out of range", f"{RUN} --set ti++.steps=0", "'steps' cannot be 0", "greater than or equal to 1"),
    Row("nan", f"{RUN} --set token_learning_rate=.nan", "cannot be nan", "a finite number"),
    Row("not one of the choices", f"{RUN} --set token_init=zero", "'zero'", "'category' or 'random'"),
    Row("neither true nor false", f"{RUN} --set category_word=maybe", "'maybe'", "a valid boolean"),
    Row("a value that cannot be read", f"{RUN} --set steps=[1", "'steps=[1'", "write a number, true, false or a word"),
    Row("code as a value", f"{RUN} --set 'steps=!!python/name:os.system'", "!!python/name", "write a number"),
    Row("an unknown option of the sampler", f"{RUN} --set sampling.stpes=3", "'stpes'", "did you mean steps"),
    Row("too few images to score", f"{RUN} --set sampling.images=1", "'images' cannot be 1", "equal to 2"),
    Row("a misspelt solver", f"{RUN} --set sampling.solver=dpm", "'solver' cannot be 'dpm'", "'dpmpp', 'unipc' or"),
    Row(
        "noise for a solver without", f"{RUN} --set sampling.solver=unipc --set sampling.eta=1", "UniPC adds no noise",
        "leave sampling.eta out",
    ),
    Row("more steps than there are", f"{RUN} --set sampling.steps=2000", "sampling.steps=2000", "use 1000 or fewer"),
    Row("steps that do not fit", f"{RUN} --set sampling.steps=61", "sampling.steps=61", "use 60"),
    Row("a misspelt solver to draw with", "generate -p x --solver ddmi", "'ddmi'", "did you mean ddim"),
    Row("a word for the guidance", f"{RUN} --set sampling.guidance_scale=x", "'guidance_scale'", "a valid number"),
    # how much is run, and where
    Row("letters as seeds", f"{RUN} --seeds a", "--seeds 'a'", "such as 0,1,2"),
    Row("a seed twice", f"{RUN} --seeds 1,1", "--seeds '1,1'", "must be distinct"),
    Row("a negative seed", f"{RUN} --seeds=-1", "--seeds '-1'", "non-negative"),
    Row("no seed", f"{RUN} --seeds ''", "--seeds ''", "such as 0,1,2"),
    Row("tasks backwards", f"{RUN} --tasks 9-2", "--tasks '9-2'", "write 1-N"),
    Row("tasks from the middle", f"{RUN} --tasks 2-3", "--tasks '2-3'", "write 1-N"),
    Row("tasks beyond the end", f"{RUN} --tasks 1-51", "--tasks '1-51'", "write 1-50 or less"),
    Row("more tasks than can be counted", f"{RUN} --tasks {'9' * 5000}", "--tasks '999", "write 1-N"),
    Row("no tasks", f"{RUN} --tasks ''", "--tasks ''", "write 1-N"),
    Row("--limit and --tasks", f"{RUN} --tasks 1-3 --limit 3", "--limit or --tasks", "not both"),
    Row("an unknown dtype", f"{RUN} --dtype int8", "'int8'", "use float32, bfloat16 or float16"),
    Row("an unknown device", f"{RUN} --device tpu", "'tpu'", "use auto, cpu, cuda, cuda:N"),
    Row("a GPU that is not there", f"{RUN} --device cuda:99", "--device cuda:99", "use --device cpu"),
    Row("a file as results folder", f"{RUN} -o taken", "taken", "--output-dir", change=put("taken")),
    Row("a results folder in a file", f"{RUN} -o taken/deep", "taken/deep", "--output-dir", change=put("taken")),
    # --config
    Row("no such configuration", YAML, "c.yaml cannot be read (no such file", "give a YAML file"),
    Row(
        "a folder as configuration", YAML, "c.yaml cannot be read (is a directory)", "give a YAML file",
        change=make("c.yaml"),
    ),
    Row("an empty configuration", YAML, "c.yaml", "must hold option: value lines", change=put("c.yaml")),
    Row(
        "a list as configuration", YAML, "c.yaml", "must hold option: value lines",
        change=put("c.yaml", "- limit: 3\n"),
    ),
    Row(
        "broken YAML", YAML, "c.yaml is no plain YAML (line 2", "correct it",
        change=put("c.yaml", "limit: 1\na: b: c\n"),
    ),
    Row(
        "an undefined alias", YAML, "(line 1: found undefined alias", "correct it", change=put("c.yaml", "limit: *x\n"),
    ),
    Row(
        "code in YAML", YAML, "python/object/apply:os.mkdir", "correct it",
        change=put("c.yaml", "limit: !!python/object/apply:os.mkdir [made]\n"),
    ),
    Row("bytes that are no text", YAML, "c.yaml is no YAML text", "UTF-8", change=put("c.yaml", b"\xff\xfe\x80")),
    Row("an unknown key", YAML, "unknown key 'sedes'", "did you mean seeds", change=put("c.yaml", "sedes: 1\n")),
    Row("a key like no other", YAML, "unknown key 'zzz'", "known: backbone, ", change=put("c.yaml", "zzz: 1\n")),
    Row(
        "a configured word for a number", YAML, "'limit' cannot be 'abc'", "a valid integer",
        change=put("c.yaml", "limit: abc\n"),
    ),
    Row(
        "a configured number out of range", YAML, "'limit' cannot be 0", "equal to 1",
        change=put("c.yaml", "limit: 0\n"),
    ),
    Row(
        "a word for a switch", YAML, "'dry-run' cannot be 'x'", "a valid boolean", change=put("c.yaml", "dry-run: x\n"),
    ),
    Row("a mapping for a value", YAML, "'seeds'", "write a value, or a list", change=put("c.yaml", "seeds: {a: 1}\n")),
    Row("a configured --set without =", YAML, "'rank'", "option=value", change=put("c.yaml", "set: rank\n")),
    Row(
        "half a run's file as configuration", YAML, "is not a run's file", "option: value",
        change=put("c.yaml", "spec: 3\ncells: 4\n"),
    ),
    Row(
        "a newer version's run file as configuration", YAML, "c.yaml is of a newer version", "update stamina-bench",
        change=put("c.yaml", f"schema_version: 99\n{SPEC}"),
    ),
    # the environment
    Row("bad seeds in the environment", RUN, "'1,x'", "such as 0,1,2", environment={"STAMINA_BENCH_SEEDS": "1,x"}),
    Row(
        "a bad tier in the environment", "show lora", "'mni'",
        "did you mean mini", environment={"STAMINA_BENCH_TIER": "mni"},
    ),
    Row(
        "a bad method in the environment", "run tuning6", "'clor'",
        "did you mean clora", environment={"STAMINA_BENCH_METHODS": "clor"},
    ),
    Row("a bad device in the environment", RUN, "'gpu'", "use auto, cpu", environment={"STAMINA_BENCH_DEVICE": "gpu"}),
    Row("a bad dtype in the environment", RUN, "'fp16'", "use float32", environment={"STAMINA_BENCH_DTYPE": "fp16"}),
    Row(
        "a bad folder in the environment", "resume", "there",
        "--output-dir", environment={"STAMINA_BENCH_OUTPUT_DIR": "there"},
    ),
    # photographs
    Row("no such folder of photographs", "run ./photos", "photos does not exist", "check the path"),
    Row(
        "a file for the folder", "run ./photos", "photos is not a folder", "one sub-folder per concept",
        change=put("photos"),
    ),
    Row(
        "an empty folder", "run ./photos", "photos has no sub-folder", "put each concept's images",
        change=make("photos"),
    ),
    Row(
        "images outside of sub-folders", "run ./photos", "photos holds images", "move them into one per concept",
        "photos", lambda folder: [(folder / "0.png").write_bytes((folder / "cat" / "0.png").read_bytes()),
                                  shutil.rmtree(folder / "cat"), shutil.rmtree(folder / "dog")],
    ),
    Row(
        "a concept without images", "run ./photos --strict", "photos/vase is not used (a folder without images)",
        "mend it, or leave out --strict", "photos", make("vase"),
    ),
    Row(
        "a name without a word", "run ./photos", "'0001'", "write one into category.txt", "photos",
        rename("cat", "0001"),
    ),
    Row("strict about what is no folder", f"{RUN} --strict", "--strict is for a folder", "leave it out"),
    Row("a least size of what is no folder", f"{RUN} --min-side 9", "--min-side is for a folder", "leave it out"),
    Row(
        "pictures below the least size", "run ./photos --min-side 9", "photos/cat/0.png has 8 x 8", "use a larger copy",
        "photos", nothing,
    ),
    Row("a concept with one image", "run ./photos", "photos/cat has only one", "add more", "photos", drop("cat/0.png")),
    Row("half a picture", "run ./photos", "photos/cat/0.png", "replace or remove it", "photos", cut("cat/0.png")),
    Row(
        "a text as a picture", "run ./photos", "photos/cat/2.png", "replace or remove it",
        "photos", put("cat/2.png", "cat"),
    ),
    Row(
        "a broken link", "run ./photos", "photos/cat/2.png", "restore or remove it", "photos",
        lambda folder: (folder / "cat" / "2.png").symlink_to("nowhere.png"),
    ),
    Row(
        "more pixels than memory", "run ./photos", "photos/cat/2.png has more pixels", "save a smaller copy", "photos",
        lambda folder: Image.new("1", (13_500, 13_500)).save(folder / "cat" / "2.png"),
    ),
    Row("a name with a line end", "run ./photos", "unprintable", "rename it", "photos", rename("cat", "c\nt")),
    Row(
        "an empty category", "run ./photos", "cat/category.txt", "write one to four words",
        "photos", put("cat/category.txt"),
    ),
    Row(
        "code as a category", "run ./photos", "'<v1> [b]'", "words of letters", "photos",
        put("cat/category.txt", "<v1> [b]\n"),
    ),
    Row(
        "a category that is no text", "run ./photos", "cat/category.txt", "save it as UTF-8", "photos",
        put("cat/category.txt", b"caf\xe9"),
    ),
    Row(
        "a category too long for the backbone", "run ./photos -m ti++", "is too long", "category.txt", "photos",
        put("cat/category.txt", "pneumonoultramicroscopicsilicovolcanoconiosis antidisestablishmentarianism"),
    ),
    Row(
        "a category of no folder", "run ./photos", "Line 1 of photos/categories.csv names 'ct'", "did you mean cat",
        "photos", put("categories.csv", "ct,kitten\n"),
    ),
    Row(
        "a line of three columns", "run ./photos", "Line 2 of photos/categories.csv", "remove the others", "photos",
        put("categories.csv", "cat,kitten\ndog,puppy,x\n"),
    ),
    Row(
        "a category twice", "run ./photos", "names 'cat' a second time", "remove one", "photos",
        put("categories.csv", "cat,kitten\ncat,pet\n"),
    ),
    # backbones
    Row("no such backbone", f"{RUN} --backbone no/such", "'no/such'", "give a folder or allow downloads"),
    Row("an empty name of a backbone", f"{RUN} --backbone ''", "--backbone is empty", "leave it out"),
    Row("any folder as backbone", f"{RUN} --backbone .", "no model_index.json", "give a whole one"),
    Row("a backbone without U-Net", f"{RUN} --backbone sd", "it has no unet", "give a whole one", "sd", drop("unet")),
    Row(
        "half a backbone's index", f"{RUN} --backbone sd", "model_index.json", "another folder",
        "sd", cut("model_index.json"),
    ),
    Row(
        "half a VAE's configuration", f"{RUN} --backbone sd", "vae/config.json", "another folder",
        "sd", cut("vae/config.json"),
    ),
    Row(
        "a backbone without scheduler", f"{RUN} --backbone sd", "scheduler_config.json is missing", "another folder",
        "sd", drop("scheduler/scheduler_config.json"),
    ),
    Row(
        "half a tokenizer", f"{RUN} --backbone sd", "tokenizer/tokenizer.json", "another folder", "sd",
        cut("tokenizer/tokenizer.json"),
    ),
    Row(
        "a backbone's size that is none", f"{RUN} --backbone sd", "does not say its size", "another folder", "sd",
        edit("unet/config.json", "sample_size", "large"),
    ),
    Row("half a U-Net's weights", f"{RUN} --backbone sd", UNET, "another folder", "sd", cut(UNET)),
    Row(
        "a backbone's weights pickled", f"{RUN} --backbone sd", "unet", "convert them", "sd", rename(UNET,
        "unet/model.bin"),
    ),
    Row("code in a backbone", f"{RUN} --backbone sd", "unet/run.py", "another folder", "sd", put("unet/run.py")),
    # extractors
    Row("no such extractor", f"{RUN} --extractor ViT-B-32/none", "'ViT-B-32/none'", "give a folder"),
    Row("an empty name of an extractor", f"{RUN} --extractor ''", "--extractor is empty", "leave it out"),
    Row("any folder as extractor", f"{RUN} --extractor .", "open_clip_config.json", "give an open_clip folder"),
    Row(
        "half an extractor's configuration", f"{RUN} --extractor clip", "open_clip_config.json",
        "give an open_clip folder", "clip", cut("open_clip_config.json"),
    ),
    Row("half an extractor's weights", f"{RUN} --extractor clip", CLIP, "another folder", "clip", cut(CLIP)),
    Row(
        "an extractor's weights pickled", f"{RUN} --extractor clip", "'clip'", "convert them",
        "clip", rename(CLIP, "model.bin"),
    ),
    # results folders
    Row("no such results", "report nowhere", "nowhere", "--output-dir"),
    Row("nothing run yet", "report empty", "empty holds no runs", "stamina-bench run", change=make("empty")),
    Row(
        "half a run's file", "report runs", "old.yaml is damaged", "run its command again",
        "runs", cut("runs/old.yaml"),
    ),
    Row(
        "bytes for a run's file", "resume runs", "old.yaml", "run its command again",
        "runs", put("runs/old.yaml", b"\xff\xfe"),
    ),
    Row(
        "code in a run's file", "score runs", "old.yaml", "run its command again", "runs",
        put("runs/old.yaml", "spec: !!python/object/apply:os.mkdir [made]\ncells: []\n"),
    ),
    Row(
        "a run of a newer version", "report runs", "old.yaml is of a newer version", "update stamina-bench", "runs",
        put("runs/old.yaml", f"schema_version: 99\n{SPEC}"),
    ),
    Row("nothing finished", "report runs", "No cell in runs", "stamina-bench resume runs", "runs"),
    Row("nothing run to go on with", "resume nowhere", "nowhere holds no runs", "--output-dir"),
    Row(
        "a run of a method that is gone", "resume runs", "old.yaml: Unknown method 'stamna'", "did you mean stamina",
        "runs", put("runs/old.yaml", SPEC.replace("ti++", "stamna")),
    ),
    Row(
        "a run of photographs that are gone", "score runs", "photos does not exist", "check the path", "runs",
        put("runs/old.yaml", SPEC.replace("mixed50", "./photos")),
    ),
    Row("a benchmark that was not run", "score runs --benchmark mixd50", "'mixd50'", "it has: mixed50", "runs"),
    Row("an extractor for none", "score runs --extractor no/such", "'no/such'", "give a folder", "runs"),
    # reports
    Row("an unknown format", "report runs -f pfd", "'pfd'", "did you mean pdf"),
    Row("no format", "report runs -f ,", "format ''", "known: all, csv"),
    Row("all formats and one more", "report runs -f all,md", "--format all", "leave the others out"),
    Row("reference results as a run", "report ref", "ref holds reference results", "only --format paper", "ref"),
    Row(
        "a benchmark without reference results", "report ref -f paper --benchmark mixd50", "'mixd50'",
        "it has: celebahq20", "ref",
    ),
    Row(
        "half a reference protocol", "report ref -f paper", "ref/protocol.json", "take it from version control",
        "ref", cut("protocol.json"),
    ),
    Row(
        "half the reference figures", "report ref -f paper", "ref/celebahq20.csv", "version control",
        "ref", cut("celebahq20.csv"),
    ),
    Row(
        "no reference figures", "report ref -f paper", "ref/celebahq20.csv", "version control",
        "ref", drop("celebahq20.csv"),
    ),
    Row("a report into a folder", "report ref -f paper -o ref", "ref cannot be written", "choose another file", "ref"),
    # comparisons
    Row("no such side", "compare ref nowhere", "nowhere", "--output-dir", "ref"),
    Row("a side without figures", "compare runs runs", "No cell in runs", "stamina-bench resume", "runs"),
    Row("a benchmark of neither side", "compare ref ref --benchmark x", "'x'", "it has: celebahq20", "ref"),
    Row("half a renaming", "compare ref ref --rename ti++", "'ti++'", "OLD=NEW", "ref"),
    Row("a label of no side", "compare ref ref --rename stamina=cd --rename ub=stamna", "'stamna'", "stamina", "ref"),
    # verify
    Row("no baseline", "verify --against none.json", "none.json", "verify --update --against none.json"),
    Row(
        "half a baseline", "verify --against base/b.json", "base/b.json is damaged", "version control",
        "base", cut("b.json"),
    ),
    Row(
        "another JSON", "verify --against base/b.json", "b.json is not a baseline", "another file",
        "base", put("b.json", "[1]"),
    ),
    Row(
        "a newer baseline", "verify --against base/b.json", "of a newer version (99", "update stamina-bench", "base",
        edit("b.json", "schema_version", 99),
    ),
    Row(
        "a baseline of unknown methods", "verify --against base/b.json", "b.json: Unknown method 'stamna'",
        "did you mean stamina", "base", edit("b.json", "subset.methods.stamna", {}),
    ),
    Row(
        "a baseline of an unknown sampler", "verify --against base/b.json", "'stpes'", "did you mean steps", "base",
        edit("b.json", "subset.sampling", {"stpes": 3}),
    ),
    Row(
        "another protocol", "verify --against base/b.json", "dtype (float16 there", "renew it with", "base",
        edit("b.json", "conditions.dtype", "float16"),
    ),
    Row("another subset", "verify --against base/b.json --limit 1", "--limit", "goes with --update", "base"),
    Row("a check when renewing", "verify --update --strict", "--strict", "leave it out"),
    Row("one seed", f"{UPDATE} --seeds 3", "two seeds", "--seeds 0,1,2"),
    Row("a misspelt benchmark of a baseline", f"{UPDATE} -b mixd50", "'mixd50'", "did you mean mixed50"),
    Row("a misspelt method of a baseline", f"{UPDATE} -m stamna", "'stamna'", "did you mean stamina"),
    Row("a misspelt option of a baseline", f"{UPDATE} --set rnk=3", "'rnk'", "did you mean rank"),
    Row(
        "a baseline in a file", "verify --update --against taken/b.json", "taken/b.json", "another file",
        change=put("taken"),
    ),
    Row(
        "a folder for JUnit", "verify --against base/b.json --junit base", "base cannot be written",
        "another file", "base",
    ),
    # tune
    Row("a misspelt method to tune", "tune stamna", "'stamna'", "did you mean stamina"),
    Row("nothing to tune", "tune stamina-no-mask", "'stamina-no-mask'", "declare in its class"),
    Row("tuning on what is compared", "tune ti++ -b mixed50", "must not be chosen", "--benchmark tuning18"),
    Row("a fixed option that is searched", "tune stamina --set learning_rate=1", "learning_rate", "leave it out"),
    Row("a sampler to tune with", "tune ti++ --set sampling.eta=2", "'eta' cannot be 2", "less than or equal to 1"),
    Row("one record for two methods", "tune cd,ti++ --record r.json", "r.json", "name a folder"),
    Row("a record in a file", "tune ti++ --record taken", "taken", "choose another place", change=put("taken")),
    # cache, show, params
    Row("no such store", "cache info nowhere", "no folder nowhere", "--output-dir"),
    Row(
        "a folder without a store", "cache verify empty", "empty is not a results folder", "--output-dir",
        change=make("empty"),
    ),
    Row(
        "the store itself", "cache prune runs/store", "runs/store is a store itself", "name the results folder", "runs",
    ),
    Row("an age without a unit", "cache prune runs --older-than 7", "--older-than '7'", "such as 30m", "runs"),
    Row(
        "a damaged run to prune beside", "cache prune runs --yes", "old.yaml", "delete it",
        "runs", put("runs/old.yaml"),
    ),
    Row("no such method to show", "show stamna", "'stamna'", "did you mean stamina"),
    Row("no such U-Net", "params --backbone sd-9", "'sd-9'", "use sd-1.4"),
    Row("a folder without a U-Net", "show ti++ --backbone sd", "'sd'", "use sd-1.4", "sd", drop("unet")),
    Row("half a U-Net to count", "show ti++ --backbone sd", UNET, "another folder", "sd", cut(UNET)),
    Row("a method counted twice", "params -m ti++,ti++", "'ti++,ti++'", "name each once"),
)  # fmt: skip


def photos(folder: Path) -> None:
    """Two concepts of two small pictures each."""
    draw = np.random.default_rng(0)
    for name in ("cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / name)


def runs(folder: Path) -> None:
    """A results folder with one run that has made nothing yet."""
    put("runs/old.yaml", SPEC)(folder)
    make("store/steps")(folder)


def ref(folder: Path) -> None:
    """The reference results of one benchmark."""
    shutil.copytree(ROOT / "reference" / "mini", folder)
    for name in ("landmarks20", "mixed50"):
        drop(f"{name}.csv")(folder)
    whole = json.loads((folder / "protocol.json").read_text(encoding="utf-8"))["benchmarks"]
    edit("protocol.json", "benchmarks", {"celebahq20": whole["celebahq20"]})(folder)


def base(folder: Path) -> None:
    """A folder with the mini tier's baseline."""
    put("b.json", (ROOT / "reference" / "verify-mini.json").read_bytes())(folder)


GIVEN: Mapping[str, Change] = {"photos": photos, "runs": runs, "ref": ref, "base": base}


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose modules can be imported, in an environment without our variables; no step may start."""

    def started(*_: object) -> None:
        raise AssertionError("work was begun")

    for name in [name for name in os.environ if name.startswith("STAMINA_BENCH")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(InlineExecutor, "submit", started)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.wrong)
def test_bad_input_is_one_sentence_and_exit_code_2(row: Row, place: Path, tiny_models: Path) -> None:
    if row.given in ("sd", "clip"):
        shutil.copytree(tiny_models / row.given, place / row.given)
    elif row.given:
        GIVEN[row.given](place / row.given)
    row.change(place / row.given)
    before = contents(place)
    out, err = io.StringIO(), io.StringIO()
    code = call(out, err, *shlex.split(row.arguments), **row.environment)
    said = err.getvalue()
    assert (code, out.getvalue()) == (ExitCode.USAGE, ""), said
    assert said.startswith("stamina-bench: ")
    assert said.endswith((".\n", "?\n")), said
    assert said.count("\n") == 1, said
    assert not any(word in said for word in ("Traceback", "unexpected", "Errno")), said
    assert row.names in said
    assert row.remedy in said
    assert before.items() <= contents(place).items()
    assert not (place / "made").exists()


def test_the_table_has_sixty_kinds() -> None:
    assert len({row.wrong for row in TABLE}) == len(TABLE) >= 60
