"""Results that share a name and are not the same, told apart for the reader: the first thing that every output does.

A benchmark's name does not say which photographs a folder held, a backbone's not what is in its files, a method's not
which version of its source was run, and figures of different extractors do not compare. Where two of these meet in one
output, the names get a short suffix made of content, as in 'photos (3f9a1c)', and a sentence says why; everywhere
else names stay as they are. What is told apart once stays as it is when it comes here again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from harness import registry
from harness.results import CellResult, Unfinished
from harness.seeds import own_places
from harness.store.identity import SHOWN, short
from reports.cells.lines import by_label, groups, relabelled

T = TypeVar("T", bound=Hashable)
Thing = CellResult | Unfinished
UNKNOWN = "not recorded"
FEW, LONG = 3, 40  # names of tasks in a sentence, and their characters


def told_apart(cells: Sequence[CellResult]) -> list[CellResult]:
    """The cells under names that no others share, each line's seeds once; see `told_apart_with`."""
    return told_apart_with(cells)[0]


def told_apart_with(
    cells: Sequence[CellResult], unfinished: Sequence[Unfinished] = ()
) -> tuple[list[CellResult], list[Unfinished]]:
    """The cells and what is unfinished under names that tell them apart.

    Cells that another one of the same line and seed replaces are left out: see `reports.cells.lines.by_label`. The
    order stays.
    """
    things = _named([*cells, *unfinished])
    finished = [thing for thing in things if isinstance(thing, CellResult)]
    return _labels(finished), [thing for thing in things if isinstance(thing, Unfinished)]


def told_apart_in_both(
    first: Sequence[CellResult], second: Sequence[CellResult]
) -> tuple[list[CellResult], list[CellResult]]:
    """Two runs under names that mean the same in both; each has lines of its own."""
    things = [thing for thing in _named([*first, *second]) if isinstance(thing, CellResult)]
    return _labels(things[: len(first)]), _labels(things[len(first) :])


def _named(things: Sequence[Thing]) -> list[Thing]:
    return _extractors(_backbones(_benchmarks(_known(things))))


def own_name(cell: CellResult) -> str:
    """The benchmark's name without what tells it apart."""
    return cell.called or cell.benchmark


def own_base(cell: CellResult) -> str:
    """The same without an order."""
    return cell.base.removesuffix(cell.benchmark.removeprefix(own_name(cell))) or own_name(cell)


# --- what is not known ------------------------------------------------------------------------------------------------


def _known(things: Sequence[Thing]) -> list[Thing]:
    """What an old file does not say is taken to be what all others of the same name have, if these have but one."""
    things = _adopt(things, _name, lambda thing: thing.content, _with_content)
    things = _adopt(things, lambda thing: thing.backbone, lambda thing: thing.made_by.backbone, _with("backbone"))
    return _adopt(things, _scored, lambda thing: thing.made_by.extractor, _with("extractor"))


def _name(thing: Thing) -> tuple[str, ...]:
    return thing.benchmark, thing.setting, thing.tier


def _scored(thing: Thing) -> tuple[str, ...]:
    return (*_name(thing), thing.backbone)


def _adopt(
    things: Sequence[Thing], name: Callable[[Thing], Hashable], value: Callable[[Thing], str],
    taking: Callable[[Thing, Thing], Thing],
) -> list[Thing]:  # fmt: skip
    known: dict[Hashable, dict[str, Thing]] = {}
    for thing in things:
        if value(thing):
            known.setdefault(name(thing), {}).setdefault(value(thing), thing)
    result: list[Thing] = []
    for thing in things:
        found = known.get(name(thing), {})
        result.append(taking(thing, *found.values()) if not value(thing) and len(found) == 1 else thing)
    return result


def _with_content(thing: Thing, other: Thing) -> Thing:
    # of some tasks only it would be another's: a cell of fewer tasks has another content
    if registry.setting(thing.setting).presentation.per_trial:
        return _copy(thing, content=other.content)
    return thing


def _with(name: str) -> Callable[[Thing, Thing], Thing]:
    def taking(thing: Thing, other: Thing) -> Thing:
        return _copy(thing, made_by=thing.made_by.model_copy(update={name: getattr(other.made_by, name)}))

    return taking


# --- what the tasks are -----------------------------------------------------------------------------------------------


@dataclass
class _Family:
    """Tasks that belong to one benchmark, by their places in its own order; a run of fewer knows some of them."""

    tasks: dict[int, str] = field(default_factory=dict)
    content: str = ""

    @property
    def digits(self) -> str:
        return short(*(f"{place} {content}" for place, content in sorted(self.tasks.items())), self.content)

    def fits(self, tasks: Mapping[int, str], content: str) -> bool:
        """Whether it may be the same: nothing that both know differs. (The first tasks of two orders share none.)"""
        if not tasks or not self.tasks:
            return not tasks and not self.tasks and content == self.content
        both = tasks.keys() & self.tasks.keys()
        return all(tasks[place] == self.tasks[place] for place in both)


def _places(thing: Thing) -> dict[int, str]:
    """Place in the benchmark's own order -> the task's content; empty where only the whole is known."""
    contents = thing.contents if isinstance(thing, Unfinished) else tuple(task.content for task in thing.tasks)
    if not thing.content or not all(contents):
        return {}
    places = own_places(thing.order, max(thing.tasks_total, len(contents)))
    return {places[i]: content for i, content in enumerate(contents)}


def _stem(thing: Thing) -> str:
    """The benchmark's name without its order."""
    return thing.benchmark.removesuffix(f"-order{thing.order}") if thing.order else thing.benchmark


def _benchmarks(things: Sequence[Thing]) -> list[Thing]:
    """Benchmarks of one name whose tasks are not the same."""
    families: dict[tuple[str, ...], list[_Family]] = {}
    own: dict[int, _Family] = {}
    # the most tasks first, so that a run of a few finds the whole that it began
    for number in sorted(range(len(things)), key=lambda i: -len(_places(things[i]))):
        thing = things[number]
        places = _places(thing)
        of_name = families.setdefault((_stem(thing), thing.setting, thing.tier), [])
        found = [family for family in of_name if family.fits(places, thing.content)]
        found = [family for family in found if family.tasks == places] or found
        if len(found) != 1:  # of none, or it could be of several
            found = [_Family(content="" if places else thing.content)]
            of_name += found
        for place, content in places.items():
            found[0].tasks.setdefault(place, content)
        own[number] = found[0]
    result: list[Thing] = []
    for number, thing in enumerate(things):
        others = families[_stem(thing), thing.setting, thing.tier]
        if len(others) < 2:
            result.append(thing)
            continue
        digits = _shortened([family.digits for family in others])
        known = bool(own[number].tasks or own[number].content)
        end = digits[own[number].digits] if known else UNKNOWN
        why = (
            f"Under the name {_stem(thing)} there are results on {len(others)} sets of images that are not the same "
            "(or have other category words). The digits in brackets, which are of their content, tell them apart; no "
            f"figure is of more than one of them. {_begins(thing, end)}"
        )
        result.append(_renamed(thing, end, why))
    return result


def _begins(thing: Thing, end: str) -> str:
    """By which of its tasks a reader knows it."""
    tasks = [] if isinstance(thing, Unfinished) else sorted(thing.tasks, key=lambda task: task.index)
    said = [
        task.category if registry.setting(thing.setting).presentation.per_trial else task.name for task in tasks[:FEW]
    ]
    names = [name if len(name) <= LONG else f"{name[: LONG - 1]}…" for name in said]
    more = f" and {len(tasks) - FEW} more" if len(tasks) > FEW else ""
    return f"{end} has {', '.join(names)}{more}."


def _renamed(thing: Thing, end: str, why: str) -> Thing:
    """The thing with more in the brackets after its benchmark's name."""

    def added(name: str) -> str:
        had = re.fullmatch(r"(.*) \((.*)\)", name) if isinstance(thing, CellResult) and thing.called else None
        return f"{had[1]} ({had[2]}; {end})" if had else f"{name} ({end})"

    name = added(thing.benchmark)
    if isinstance(thing, Unfinished):
        return _copy(thing, benchmark=name)
    return _copy(
        thing, benchmark=name, base=added(thing.base) if thing.base else "", called=own_name(thing),
        apart=(*thing.apart, why),
    )  # fmt: skip


# --- models -----------------------------------------------------------------------------------------------------------


def _backbones(things: Sequence[Thing]) -> list[Thing]:
    """Backbones of one name whose files are not the same."""
    named = _names((thing.backbone, thing.made_by.backbone) for thing in things)
    result: list[Thing] = []
    for thing in things:
        name = named[thing.backbone, thing.made_by.backbone]
        why = f"There are several backbones called {thing.backbone}; the digits in brackets are of their files."
        more = {"apart": (*thing.apart, why)} if isinstance(thing, CellResult) else {}
        result.append(thing if name == thing.backbone else _copy(thing, backbone=name, **more))
    return result


def _extractors(things: Sequence[Thing]) -> list[Thing]:
    """Cells of one benchmark and backbone that were scored with different extractors."""
    named = _names((_extractor(thing), thing.made_by.extractor) for thing in things if thing.made_by.extractor)
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    for thing in things:
        if registry.setting(thing.setting).extracts:
            known = thing.made_by.extractor
            name = named[_extractor(thing), known] if known else UNKNOWN
            groups.setdefault(_scored(thing), {})[known] = name
    result: list[Thing] = []
    for thing in things:
        found = groups.get(_scored(thing), {})
        name = found.get(thing.made_by.extractor, "")
        if isinstance(thing, CellResult) and name not in ("", UNKNOWN, _extractor(thing)):
            protocol = {**thing.protocol, "extractor": _quoted(thing.protocol.get("extractor", "''"), name)}
            told = thing.made_by.model_copy(update={"extractor_name": name})
            thing = _copy(thing, protocol=protocol, made_by=told)
        if len(found) > 1:
            why = (
                f"These results were scored with {len(found)} feature extractors ({', '.join(found.values())}). "
                "Figures of different extractors do not compare, so those of each stand by themselves."
            )
            thing = _renamed(thing, f"extractor {name}", why)
        result.append(thing)
    return result


def _extractor(thing: Thing) -> str:
    """What the extractor is called."""
    if thing.made_by.extractor_name or isinstance(thing, Unfinished):
        return thing.made_by.extractor_name or UNKNOWN
    found = re.search("'(.*)'", thing.protocol.get("extractor", ""))
    return found[1] if found else UNKNOWN


def _quoted(text: str, name: str) -> str:
    return re.sub("'.*'", lambda _: f"'{name}'", text)


# --- versions of the code ---------------------------------------------------------------------------------------------


def _labels(cells: Sequence[CellResult]) -> list[CellResult]:
    """The cells under the labels of their lines."""
    found: dict[int, CellResult] = {}
    places = {id(cell): place for place, cell in enumerate(cells)}
    for group in groups(cells):
        for label, members in by_label(group).items():
            for cell in members:
                found[places[id(cell)]] = relabelled(cell, label)
    return [found[place] for place in sorted(found)]


# --- small parts ------------------------------------------------------------------------------------------------------


def _names(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """(name, hash) -> the name, with the first digits of the hash where one name has several."""
    hashes: dict[str, dict[str, None]] = {}
    for name, digest in pairs:
        hashes.setdefault(name, {})[digest] = None
    found: dict[tuple[str, str], str] = {}
    for name, digests in hashes.items():
        digits = _shortened([d for d in digests if d])
        for digest in digests:
            found[name, digest] = f"{name} ({digits.get(digest, UNKNOWN)})" if len(digests) > 1 else name
    return found


def _shortened(digests: Sequence[str]) -> dict[str, str]:
    """Each hash by as few digits as tell them all apart, `SHOWN` at least."""
    count = SHOWN
    while len({d[:count] for d in digests}) < len(set(digests)):
        count += 1
    return {d: d[:count] for d in digests}


def _copy(thing: Thing, **changes: Any) -> Thing:
    """The thing with other values; a cell's rows follow its names."""
    if isinstance(thing, CellResult):
        names: dict[str, Any] = {k: v for k, v in changes.items() if k in ("benchmark", "backbone")}
        if names:
            changes["rows"] = tuple(row.model_copy(update=names) for row in thing.rows)
    return thing.model_copy(update=changes)
