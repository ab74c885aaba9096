"""What the documentation site has beside the files of docs/: made from the program itself, so that it cannot be stale.

The front page is the README; each method and each benchmark has a page, as `stamina-bench show` and the benchmark's
file say; the public names of Python have one by mkdocstrings. A hook of mkdocs, see mkdocs.yml.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOME = Path(__file__).parent.parent.parent
sys.path.insert(0, str(HOME))

from mkdocs.structure.files import File, Files  # noqa: E402

import harness  # noqa: E402
import stamina_bench  # noqa: E402  (this program's packages, from beside this file)
from harness import registry  # noqa: E402
from harness.method_card import MethodCard, method_card  # noqa: E402
from reports.files import slug  # noqa: E402

CARD = "benchmarks/mini/checkpoints/README.md"
COPIED = {
    "README.md": "index.md",
    CARD: "model-card.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "examples/README.md": "examples.md",
}
GUIDES = {
    "Start": ["index.md", "commands.md", "python.md", "mini-tier.md"],
    "How to": [
        "examples.md", "own-method.md", "plugins.md", "metrics.md", "data.md", "scaling.md", "planning.md", "verify.md",
        "reports.md", "exports.md", "settings.md",
    ],
    "Protocol and choices": [
        "figures.md", "methods.md", "later-methods.md", "solvers.md", "classification.md", "models.md", "paper-tier.md",
        "mini-tuning.md",
    ],
    "Results": ["reference-results.md", "model-card.md"],
    "Working": ["faults.md", "performance.md", "architecture.md", "contributing.md", "changelog.md"],
}  # fmt: skip


def on_config(config: Any) -> Any:
    """The order of all pages."""
    config.nav = [{title: list(pages)} for title, pages in GUIDES.items()]
    config.nav.insert(3, {"Methods": [f"methods/{slug(name)}.md" for name in _methods()]})
    config.nav.insert(4, {"Benchmarks": [f"benchmarks/{slug(name)}.md" for name in registry.benchmarks().names()]})
    config.nav.insert(5, {"API": "api.md"})
    config.extra_css.append("site.css")
    return config


def on_files(files: Files, config: Any) -> Files:
    """The pages that are made."""
    made = {name: (HOME / file).read_text(encoding="utf-8") for file, name in COPIED.items()}
    made |= {f"methods/{slug(name)}.md": "\n".join(_method(name)) for name in _methods()}
    made |= {f"benchmarks/{slug(name)}.md": "\n".join(_benchmark(name)) for name in registry.benchmarks().names()}
    made["api.md"] = "\n".join(_api())
    made["site.css"] = ".md-typeset td code { white-space: nowrap; word-break: normal; }\n"
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links as the site has them: pages of the README and of other folders lie elsewhere in it, or nowhere."""
    source = next((file for file, name in COPIED.items() if name == page.file.src_uri), f"docs/{page.file.src_uri}")
    folder = (HOME / source).parent

    def link(match: re.Match[str]) -> str:
        text, target, anchor = match["text"], match["target"], match["anchor"] or ""
        if re.match(r"[a-z]+:", target) or not target:
            return match[0]
        place = (folder / target).resolve()
        inside = place.relative_to(HOME).as_posix() if place.is_relative_to(HOME) else ""
        if inside in COPIED:
            return f"[{text}]({COPIED[inside]}{anchor})"
        if inside.startswith("docs/") and place.suffix in (".md", ".ipynb", ".json", ".png"):
            return f"[{text}]({inside.removeprefix('docs/')}{anchor})"
        return f"{text} (`{inside}`)" if inside else text

    if page.file.src_uri.count("/"):  # made here, with links of its own
        return markdown
    return re.sub(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]*)(?P<anchor>#[^)]*)?\)", link, markdown)


def _methods() -> list[str]:
    return sorted({name for setting in registry.setting_names() for name in registry.methods(setting).names()})


def _method(name: str) -> Iterator[str]:
    settings = registry.settings_of(name)
    cards = [method_card(name, "paper", setting) for setting in settings]
    plugin = registry.methods(settings[0]).get(name)
    yield f"# {name}\n\n{cards[0].summary}.\n"
    if cards[0].citation:
        yield f"*{cards[0].citation}*\n"
    for card in cards:
        yield f"## {card.setting.capitalize()}\n" if len(cards) > 1 else ""
        for what, text in (("trains", card.trains), ("loss", card.loss), ("prompt", card.prompt),
                           ("after a task", card.end_of_task)):  # fmt: skip
            if text:
                yield f"**{what.capitalize()}**: {_plain(text)}\n"
        yield from _options(name, card)
    yield f"## In the code\n\n::: {plugin.__module__}.{plugin.__qualname__}\n    options: {{members: false}}\n"


def _options(name: str, card: MethodCard) -> Iterator[str]:
    mini = {option.name: option.default for option in method_card(name, "mini", card.setting).options}
    yield "| option | paper tier | mini tier | what it is |\n|---|---|---|---|"
    for option in card.options:
        bounds = f" ({option.bounds})" if option.bounds else ""
        own = mini.get(option.name)
        yield f"| `{option.name}` | {option.default} | {own} | {_plain(option.meaning or '')}{bounds} |"
    yield ""
    if card.search_space:
        space = "; ".join(f"`{k}`: {', '.join(map(str, values))}" for k, values in card.search_space.items())
        yield f"`stamina-bench tune` begins with {space}.\n"


def _benchmark(name: str) -> Iterator[str]:
    benchmark = registry.benchmarks().get(name)
    yield f"# {name}\n\n{_plain(benchmark.summary)}.\n"
    yield f"- Setting: {benchmark.setting}; tiers: {', '.join(benchmark.sources)}"
    pairs = benchmark.composition if registry.setting(benchmark.setting).draws else ""
    said = {"Images": benchmark.licence, "From": benchmark.citation, "Two concepts in one prompt": pairs}
    for what, text in said.items():
        if text:
            yield f"- {what}: {_plain(text)}"
    if "mini" in benchmark.sources:
        tasks = benchmark.tasks("mini")
        yield f"- At the mini tier: {len(tasks)} tasks, {', '.join(task.name for task in tasks[:4])}, ..."
    if benchmark.tuning:
        yield "- For tuning: no results are compared on it"
    yield f"\n```sh\nstamina-bench run {name} --dry-run\n```"


def _api() -> Iterator[str]:
    yield "# API\n\nThe public names of `import stamina_bench as sb`; [what for](python.md).\n"
    homes = {**harness.HOME, "plan": "harness.front.front_door"}
    for name in stamina_bench.__all__:
        if name in homes:
            yield f"::: {homes[name]}.{name}\n"


def _plain(text: str) -> str:
    """A program's text, in which Markdown means nothing by '|', '*', '<' and '_'."""
    return re.sub(r"([|*_])", r"\\\1", text).replace("<", "&lt;")  # a backslash before '<' would be shown
