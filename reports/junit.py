"""Test results as JUnit XML, which CI services show: one test case for each figure or check."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

# what XML 1.0 cannot hold, not even escaped
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Case:
    """One test case. `kind`: in a word, why it failed ('failure') or could not be run ('error'); `text`: a sentence."""

    group: str
    name: str
    outcome: Literal["passed", "failure", "error"]
    kind: str
    text: str


def to_junit(suite: str, cases: Sequence[Case], properties: Mapping[str, str]) -> str:
    """A document with one test suite; ends with a newline."""
    counts = {
        "tests": len(cases),
        "failures": sum(case.outcome == "failure" for case in cases),
        "errors": sum(case.outcome == "error" for case in cases),
    }
    numbers = {name: str(count) for name, count in counts.items()}
    root = ElementTree.Element("testsuites", numbers)
    element = ElementTree.SubElement(root, "testsuite", {"name": _clean(suite), **numbers})
    if properties:
        listed = ElementTree.SubElement(element, "properties")
        for name, value in properties.items():
            ElementTree.SubElement(listed, "property", {"name": _clean(name), "value": _clean(value)})
    for case in cases:
        place = {"classname": _clean(case.group), "name": _clean(case.name)}
        tested = ElementTree.SubElement(element, "testcase", place)
        if case.outcome == "passed":
            ElementTree.SubElement(tested, "system-out").text = _clean(case.text)
        else:
            said = {"type": _clean(case.kind), "message": _clean(case.text)}
            ElementTree.SubElement(tested, case.outcome, said).text = _clean(case.text)
    ElementTree.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _clean(text: str) -> str:
    return FORBIDDEN.sub("\ufffd", text)
