"""What two runs of a label do not share: how it was made and how it was measured, in words."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping

from reports.statistics.entries import Entry
from reports.statistics.paired_images import Scored
from reports.tables.measure_columns import sources_apart
from reports.tables.summary import join

# What a protocol says of the measurement itself: figures under different ones are not comparable.
MEASUREMENT = (
    "kernel", "estimators", "extractor", "images", "prompt", "sampler",
    "accuracy", "class order", "test images", "pixels", "split",
)  # fmt: skip


UNKNOWN = "not recorded"


def _protocol(entry: Entry, name: str) -> str:
    texts = dict.fromkeys(protocol.get(name, UNKNOWN) for protocol in entry.protocols)
    return join(texts, " or ") or UNKNOWN


def differing(one: Entry, two: Entry, names: tuple[str, str]) -> Iterable[str]:
    """What is not the same in how the two were made and measured, in words."""

    def said(what: str, first: object, second: object) -> str:
        return f"{what}: {first} in {names[0]}, {second} in {names[1]}"

    if one.backbone != two.backbone:
        yield said("backbone", one.backbone, two.backbone)
    elif not same_backbone(one, two):
        yield "the files of the backbones are not the same"
    for name in dict.fromkeys(name for entry in (one, two) for protocol in entry.protocols for name in protocol):
        if (first := _protocol(one, name)) != (second := _protocol(two, name)):
            yield said(f"protocol, {name}", first, second)
    if one.method != two.method:
        yield said("method", one.method, two.method)
    for name in dict.fromkeys((*one.options, *two.options)):
        texts = [json.dumps(e.options[name], sort_keys=True) if name in e.options else "not there" for e in (one, two)]
        if texts[0] != texts[1]:
            yield said(f"option {name}", *texts)
    for name in sources_apart((*one.measures, *two.measures)):
        yield f"the code of the metric {name} is not the same"
    if one.variant != two.variant:
        yield "code, checkpoints or device are not the same"
    seeds = [sorted({seed for figures in e.whole.values() for seed in figures}) for e in (one, two)]
    if seeds[0] != seeds[1]:
        yield said("run seeds", *(join(found, ", ") or "none" for found in seeds))


def same_backbone(one: Entry, two: Entry) -> bool:
    """By their files where both are known, else by name."""
    if one.backbone_content and two.backbone_content:
        return one.backbone_content == two.backbone_content
    return one.backbone == two.backbone


def doubts(one: Entry, two: Entry, first: Mapping[int, Scored], second: Mapping[int, Scored]) -> list[str]:
    """Why the scores of the two were not measured in the same way; empty if nothing says so."""
    found: list[str] = []
    if one.content and two.content and one.content != two.content:
        found.append("the tasks' images or category words are not the same")
    if one.extractor and two.extractor and one.extractor != two.extractor:
        found.append("extractor differs")
    for name in MEASUREMENT:
        texts = {_protocol(one, name), _protocol(two, name)}
        if name == "prompt":  # not recorded by earlier versions, and the same in all of them
            texts.discard(UNKNOWN)
        if len(texts) > 1 and (what := f"{name} differs") not in found:
            found.append(what)
    floors = [{seed: e.whole.get("noise_floor", {}).get(seed) for seed in e.whole.get("a_mmd", {})} for e in (one, two)]
    known = [(a, b) for seed, a in floors[0].items() if a is not None and (b := floors[1].get(seed)) is not None]
    other_floor = any(not math.isclose(a, b, rel_tol=1e-3) for a, b in known)  # other machines change less than that
    other_images = any(not first[seed].same_real(second[seed]) for seed in first.keys() & second.keys())
    if not found and (other_images or other_floor):
        found.append("the real images, or what the extractor makes of them, are not the same")
    return found


def equal(first: float, second: float) -> bool:
    """To five significant digits: reference results are rounded to six."""
    return math.isclose(first, second, rel_tol=1e-5, abs_tol=1e-12)
