"""`stamina-bench data`: benchmarks from photographs on this machine. Nothing is copied or downloaded by itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table as RichTable
from rich.text import Text

from harness.cli.app import EPILOG, Offline, app, note, out
from harness.cli.photos import STRICT, Holdout, MinSide, Sheet, check_file, check_folder, watch
from harness.errors import ExitCode, UsageError, presentable, unknown
from harness.formats.figure_text import are, counted
from harness.front.option_values import known_setting

CONSENT = (
    "These are photographs of people: personalising a model on someone's face without their consent does harm. Use "
    "them within their terms and for research only, and publish no model or image of a person who has not agreed."
)

data = typer.Typer(
    no_args_is_help=True, epilog=EPILOG, help="Prepare benchmarks from data sets on this machine, which are only read."
)
app.add_typer(data, name="data")

Folder = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", "-o", envvar="STAMINA_BENCH_DATA_DIR",
        help="Folder of the manifests; default $XDG_DATA_HOME/stamina-bench or ~/.local/share/stamina-bench.",
    ),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@data.command("prepare", epilog=EPILOG)
def prepare_command(
    name: Annotated[str, typer.Argument(help="A benchmark that `data list` names, or with --hf a name of your own.")],
    celeba_hq: Annotated[Path | None, typer.Option("--celeba-hq", help="Folder that holds CelebA-HQ-img.")] = None,
    gldv2: Annotated[Path | None, typer.Option("--gldv2", help="Folder of the train set of GLDv2.")] = None,
    imagenet_r: Annotated[
        Path | None, typer.Option("--imagenet-r", help="Folder that holds ImageNet-R's n01443537 and so on.")
    ] = None,
    split_lists: Annotated[
        Path | None, typer.Option(help="Folder of the published split's lists; default: in or beside the data set's.")
    ] = None,
    people: Annotated[
        Path | None, typer.Option(help="Use these people: a file with one CelebA identity per line, or a manifest.")
    ] = None,
    landmarks: Annotated[
        Path | None, typer.Option(help="Use these landmarks: a file with one landmark_id per line, or a manifest.")
    ] = None,
    hf: Annotated[
        str | None,
        typer.Option(help="By Hugging Face datasets: a folder of images or Parquet files, or a hub id."),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="With --hf: commit, tag or branch of a hub id.")] = None,
    split: Annotated[str, typer.Option(help="With --hf: the split to use.")] = "train",
    concept_column: Annotated[str, typer.Option(help="With --hf: the column that names the concept.")] = "label",
    image_column: Annotated[str, typer.Option(help="With --hf: the column that holds the image.")] = "image",
    category_column: Annotated[
        str | None, typer.Option(help="With --hf: the column that holds the category word.")
    ] = None,
    category: Annotated[str | None, typer.Option(help="With --hf: one category word for all concepts.")] = None,
    concepts: Annotated[int | None, typer.Option(min=1, help="With --hf: draw so many; default all.")] = None,
    min_images: Annotated[
        int | None, typer.Option(min=2, help="Draw among concepts with so many; default 15, with --hf 2.")
    ] = None,
    images_per_concept: Annotated[
        int | None, typer.Option(min=2, help="Draw so many of each; default 15, with --hf all.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    offline: Offline = True,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Choose concepts and images, check every one, and write a small manifest; `run NAME` then uses it.

    The data set is only read, and nothing of it is copied. Sources, terms and formats: docs/data.md.
    """
    from harness import registry
    from harness.data import selection
    from harness.data.manifest import PreparedTasks, checked_name, write_manifest

    checked_name(name)
    notes: list[str] = []
    registered = registry.benchmarks().get(name) if name in registry.benchmarks().names() else None
    given_roots = (("celeba-hq", celeba_hq), ("gldv2", gldv2), ("imagenet-r", imagenet_r))
    roots = {key: root for key, root in given_roots if root is not None}
    if name in _preparable_classes() and hf is None:
        others = {
            "people": people, "landmarks": landmarks, "min-images": min_images,
            "images-per-concept": images_per_concept, "seed": seed or None,
        }  # fmt: skip
        not_its = [option for option, value in others.items() if value is not None]
        _prepare_classes(name, roots, split_lists, not_its, folder, as_json)
        return
    if split_lists is not None:
        raise UsageError(f"'{name}' takes no --split-lists; leave it out.")
    if hf is not None:
        if registered is not None:
            raise UsageError(f"'{name}' is a registered benchmark, which --hf cannot fill; choose another name.")
        if roots or people or landmarks:
            raise UsageError(
                "--hf goes without --celeba-hq, --gldv2, --imagenet-r, --people and --landmarks; give one source."
            )
        if category is not None and category_column is not None:
            raise UsageError("Give --category or --category-column, not both.")
        from harness.data.hf_datasets import Columns, prepare_table

        manifest = prepare_table(
            name, hf, Columns(concept_column, image_column, category, category_column),
            selection.Draw(seed=seed, min_images=min_images or 2, images_per_concept=2),
            split=split, revision=revision, concepts=concepts, images_per_concept=images_per_concept, offline=offline,
            watch=watch, notes=notes,
        )  # fmt: skip
    else:
        tasks = _preparable().get(name)
        if tasks is None:
            raise _no_such(name, registered is not None)
        assert isinstance(tasks, PreparedTasks)
        lists = {"people": people, "landmarks": landmarks}
        _check_sources(name, tasks, roots, lists)
        least = selection.MIN_IMAGES if min_images is None else min_images
        draw = selection.Draw(
            seed=seed, min_images=least,
            images_per_concept=min(least, selection.IMAGES_PER_CONCEPT) if images_per_concept is None
            else images_per_concept,
        )  # fmt: skip
        given = {
            part.photo_set.key: path
            for part in tasks.parts
            if (path := lists.get(part.photo_set.list_option)) is not None
        }
        manifest = selection.prepare(name, tasks.parts, roots, draw, given, watch, notes)
    path = write_manifest(manifest, folder)
    _tell(manifest, path, folder, notes, as_json)


@data.command("list", epilog=EPILOG)
def list_command(folder: Folder = None, as_json: Json = False) -> None:
    """List what is prepared and what could be: where its data set is to be had, and under which terms."""
    from harness.data.manifest import data_folder, manifest_path, prepared_names, read_manifest

    place, waiting = data_folder(folder), _preparable()
    rows: list[dict[str, Any]] = []
    for name in [*waiting, *(name for name in prepared_names(folder) if name not in waiting)]:
        row: dict[str, Any] = {"name": name, "state": "missing", "concepts": 0, "images": 0, "origins": []}
        try:
            manifest = read_manifest(name, folder)
        except UsageError as error:
            row |= {"state": "damaged", "remedy": str(error)}
            manifest = None
        if manifest is not None:
            row |= {
                "state": "prepared", "concepts": len(manifest.tasks), "images": manifest.images,
                "origins": [origin.model_dump(exclude={"table"}) for origin in manifest.origins.values()],
                "manifest": str(manifest_path(name, folder)),
            }  # fmt: skip
        elif row["state"] == "missing":
            row |= {
                "remedy": waiting[name].command(),
                "origins": [
                    {key: getattr(part.photo_set, key) for key in ("title", "obtain", "terms", "people")}
                    for part in waiting[name].parts
                ],
            }
        rows.append(row)
    rows += [_class_row(name, source, folder) for name, source in _preparable_classes().items()]
    if as_json:
        typer.echo(json.dumps({"folder": str(place), "benchmarks": rows}, indent=1, ensure_ascii=False))
        return
    table = RichTable("benchmark", "", "concepts or classes", "images", "")
    for column in table.columns:
        column.overflow = "fold"
    wanted: dict[str, str] = {}
    for row in rows:
        about = [f"{of['title']}: {of['root']}" for of in row["origins"] if "root" in of]
        about += [f"-> {row['remedy']}"] if "remedy" in row else []
        wanted |= {of["title"]: f"{of['obtain']} (terms: {of['terms']})" for of in row["origins"] if "root" not in of}
        counts = (str(row["concepts"]), str(row["images"])) if row["state"] == "prepared" else ("", "")
        table.add_row(*map(Text, (row["name"], row["state"], *counts, presentable_lines(about))))
    out.print(table)
    for title, obtain in wanted.items():
        out.print(f"{title} is to be had: {obtain}.", markup=False, soft_wrap=True)
    out.print(f"Manifests are in {place}.", markup=False, soft_wrap=True)


@data.command("check", epilog=EPILOG)
def check_command(
    name: Annotated[
        str, typer.Argument(help="A prepared benchmark, a folder of your own images, or a benchmark's YAML file.")
    ],
    setting: Annotated[
        str | None, typer.Option(help="Of a folder: customization (concepts, the default) or classification (classes).")
    ] = None,
    min_side: MinSide = None,
    holdout: Holdout = None,
    strict: Annotated[bool, typer.Option("--strict", help=f"Exit code 2 for {STRICT}.")] = False,
    sheet: Sheet = None,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Hash every photograph of a prepared benchmark again. Exit code 1 if one is missing or changed.

    Of a folder of your own images, or the YAML file of a benchmark: list what `run` would use, the category words, and
    all that it would not.
    """
    from harness.api import is_benchmark_file, is_own_folder
    from harness.data.class_manifest import ClassManifest, read_class_manifest
    from harness.data.holdout import OF_CLASSES, lines_on, names_held_out
    from harness.data.manifest import PreparedImages, prepared_names, read_manifest, tasks_of

    kind = known_setting(setting)
    known = [*_preparable(), *_preparable_classes(), *prepared_names(folder)]
    if name not in known and is_benchmark_file(name):
        if setting is not None:
            raise UsageError("--setting is for a folder of your own images; leave it out.")
        check_file(Path(name), min_side, holdout, strict=strict, as_json=as_json, sheet=sheet)
        return
    if name not in known and is_own_folder(name):
        check_folder(Path(name), kind, min_side, holdout, strict=strict, as_json=as_json, sheet=sheet)
        return
    given = {
        "setting": setting is not None,
        "min-side": min_side is not None,
        "strict": strict,
        "sheet": sheet is not None,
    }
    if name in known and any(given.values()):
        option = next(key for key, value in given.items() if value)
        raise UsageError(f"--{option} is for a folder of your own images; leave it out.")
    beside = f"the folder beside it is ./{name}" if Path(name).is_dir() else ""
    classes = read_class_manifest(name, folder) if name in _preparable_classes() else None
    manifest = classes or read_manifest(name, folder)
    if manifest is None:
        if beside:
            raise UsageError(f"'{name}' is a benchmark here, and not prepared; {beside}.")
        text = str(unknown("prepared benchmark", name, prepared_names(folder)))
        neither = "" if name in known else ", and there is no such folder either"
        raise UsageError(text.replace("; ", f"{neither}; ", 1))
    if beside:
        note(f"'{name}' is the benchmark of that name here; {beside}.")
    verdicts: Iterable[UsageError | None]
    if isinstance(manifest, ClassManifest):
        verdicts = manifest.verify()
    else:
        verdicts = (
            verdict
            for task in tasks_of(manifest)
            if isinstance(task.images, PreparedImages)
            for verdict in task.images.verify()
        )
    apart: dict[str, list[str]] = {}
    if holdout is not None:
        if isinstance(manifest, ClassManifest):
            raise UsageError(OF_CLASSES)
        apart = names_held_out(tasks_of(manifest), holdout)
    wrong = [str(verdict) for verdict in watch(verdicts, "hashing", manifest.images) if verdict is not None]
    if as_json:
        result = {"name": name, "images": manifest.images, "whole": manifest.images - len(wrong), "found": wrong}
        if apart:
            result["held_out"] = apart
        typer.echo(json.dumps(result, indent=1, ensure_ascii=False))
    else:
        for text in wrong:
            note(text)
        for text in lines_on(apart):
            out.print(text, markup=False, soft_wrap=True)
        whole = manifest.images - len(wrong)
        kept = "is as it was" if whole == 1 else "are as they were"
        out.print(f"{whole} of {counted(manifest.images, 'image')} of {name} {kept} prepared.", markup=False)
    raise typer.Exit(int(ExitCode.CELLS_FAILED if wrong else ExitCode.DONE))


def presentable_lines(lines: Iterable[str]) -> str:
    """Lines of a table's cell, each as a terminal may show it."""
    return "\n".join(map(presentable, lines))


def _preparable() -> dict[str, Any]:
    """The registered benchmarks that are prepared from data sets: name -> their PreparedTasks."""
    from harness import registry
    from harness.data.manifest import PreparedTasks

    found: dict[str, Any] = {}
    for name in registry.benchmarks().names():
        for source in registry.benchmarks().get(name).sources.values():
            if isinstance(source, PreparedTasks) and source.parts:
                found[name] = source
    return found


def _preparable_classes() -> dict[str, Any]:
    """The registered classification benchmarks that are prepared from a data set: name -> their PreparedClasses."""
    from harness import registry
    from harness.data.class_manifest import PreparedClasses

    return {
        name: source
        for name in registry.benchmarks().names()
        for source in registry.benchmarks().get(name).sources.values()
        if isinstance(source, PreparedClasses)
    }


def _prepare_classes(
    name: str, roots: dict[str, Path], split_lists: Path | None, others: list[str], folder: Path | None, as_json: bool
) -> None:
    """`prepare` for a classification benchmark; `others` are options given that it does not take."""
    from harness.data.class_manifest import prepare_classes, write_class_manifest
    from harness.data.manifest import VARIABLE, data_folder
    from harness.data.skipped_files import first_ones

    source = _preparable_classes()[name]
    if source.of.key not in roots:
        raise UsageError(
            f"'{name}' takes {source.of.title}; name its folder with --{source.of.key} DIR (to be had: "
            f"{source.of.obtain}; terms: {source.of.terms})."
        )
    extra = [*(key for key in roots if key != source.of.key), *others]
    if extra:
        raise UsageError(f"'{name}' takes no --{extra[0]}; leave it out.")
    notes: list[str] = []
    manifest = prepare_classes(source, roots[source.of.key], split_lists, watch, notes)
    path = write_class_manifest(manifest, folder)
    note(f"{manifest.title}: {manifest.note or manifest.split}. Terms: {manifest.terms}.")
    for line in first_ones(notes):
        note(line)
    if data_folder(folder).resolve() != data_folder().resolve():
        note(f"`run` finds it with {VARIABLE}={data_folder(folder)}.")
    train, test = (sum(len(getattr(one, split)) for one in manifest.classes) for split in ("train", "test"))
    if as_json:
        result = {
            "name": name, "manifest": str(path), "images": manifest.images, "train": train, "test": test,
            "classes": [one.name for one in manifest.classes], "note": manifest.note, "notes": notes,
        }  # fmt: skip
        typer.echo(json.dumps(result, indent=1, ensure_ascii=False))
    else:
        text = (
            f"{name}: {counted(len(manifest.classes), 'class', 'classes')}, "
            f"{counted(train, 'image')} to train, {test} to test; manifest: {path}"
        )
        out.print(text, markup=False, soft_wrap=True)


def _class_row(name: str, source: Any, folder: Path | None) -> dict[str, Any]:
    """A classification benchmark's row of `list`."""
    from harness.data.class_manifest import manifest_path, read_class_manifest

    row: dict[str, Any] = {"name": name, "state": "missing", "concepts": 0, "images": 0, "origins": []}
    try:
        manifest = read_class_manifest(name, folder)
    except UsageError as error:
        return row | {"state": "damaged", "remedy": str(error)}
    if manifest is not None:
        return row | {
            "state": "prepared", "concepts": len(manifest.classes), "images": manifest.images,
            "origins": [manifest.model_dump(include={"title", "root", "terms", "citation", "split", "note"})],
            "manifest": str(manifest_path(name, folder)),
        }  # fmt: skip
    about = {key: getattr(source.of, key) for key in ("title", "obtain", "terms")}
    return row | {"remedy": source.command(), "origins": [about | {"people": False}]}


def _no_such(name: str, registered: bool) -> UsageError:
    known = [*_preparable(), *_preparable_classes()]
    if registered:
        return UsageError(f"'{name}' is not prepared from photographs; name one of {', '.join(known)}.")
    plain = str(unknown("benchmark", name, known))
    return UsageError(plain.rstrip("?.") + ", or add --hf FOLDER_OR_ID for one of your own.")


def _check_sources(name: str, tasks: Any, roots: dict[str, Path], lists: dict[str, Path | None]) -> None:
    """Every data set that it is prepared from is named, and none besides."""
    for part in tasks.parts:
        of = part.photo_set
        if of.key not in roots:
            raise UsageError(
                f"'{name}' takes {of.title}; name its folder with --{of.key} DIR (to be had: {of.obtain}; terms: "
                f"{of.terms})."
            )
    keys = {part.photo_set.key for part in tasks.parts}
    known = {part.photo_set.list_option for part in tasks.parts}
    extra = [key for key in roots if key not in keys]
    extra += [key for key, path in lists.items() if path is not None and key not in known]
    if extra:
        raise UsageError(f"'{name}' takes no --{extra[0]}; leave it out.")


def _tell(manifest: Any, path: Path, folder: Path | None, notes: list[str], as_json: bool) -> None:
    """What was prepared, under which terms, and what to do with it."""
    from harness.data.category_words import FROM_NAME, Category, told, words_of_name
    from harness.data.manifest import VARIABLE, data_folder
    from harness.data.placeholder_words import empty_words
    from harness.data.skipped_files import first_ones

    small = sum(min(photo.width, photo.height) < 512 for task in manifest.tasks for photo in task.images)
    for origin in manifest.origins.values():
        note(f"{origin.title}: {origin.drawn}. Terms: {origin.terms}.")
    if any(origin.people for origin in manifest.origins.values()):
        note(CONSENT)
    for line in first_ones(notes):
        note(line)
    if small:
        note(
            f"{small} of {counted(manifest.images, 'image')} {are(small)} smaller than 512 px along "
            "a side; the paper tier enlarges them."
        )
    words = [(task.name, Category(task.category, FROM_NAME, words_of_name(task.name)[1])) for task in manifest.tasks]
    of_names = [(name, one) for name, one in words if one.words == words_of_name(name)[0]]
    option = "--category or --category-column"
    for line in (*told(of_names, "concept", f"comes from {option}"), *empty_words(of_names, "concept", option)):
        note(line)
    if data_folder(folder).resolve() != data_folder().resolve():
        note(f"`run` finds it with {VARIABLE}={data_folder(folder)}.")
    if as_json:
        ids = [{"id": task.id, "name": task.name, "images": len(task.images)} for task in manifest.tasks]
        result = {"name": manifest.name, "manifest": str(path), "images": manifest.images, "tasks": ids, "notes": notes}
        typer.echo(json.dumps(result, indent=1, ensure_ascii=False))
    else:
        text = (
            f"{manifest.name}: {counted(len(manifest.tasks), 'concept')}, "
            f"{counted(manifest.images, 'image')}; manifest: {path}"
        )
        out.print(text, markup=False, soft_wrap=True)
