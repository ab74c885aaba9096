"""What a plugin's text shows of its options: a 0 that is taken for unset."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugin_files import read_source, write

TEXT = """from typing import ClassVar
from pydantic import Field
from harness.method import Method
from harness.spec import MethodOptions

class Mine_(MethodOptions):
    pull: float = Field(1.0, ge=0)
    some: int | None = None
    above: float = Field(1.0, gt=0)
    none: int = 0
    word: str = "a"
    flag: bool = True

class Mine(Method[Mine_]):
    options_class = Mine_

    def begin_task(self, model, generator):
        o = self.options
        self.used = (o.pull, o.some, o.above, o.none, o.word, o.flag)
        {body}
"""
ZERO = {
    "or": ("w = self.options.pull or 1000.0", "self.options.pull or 1000.0, which is 1000.0 for pull=0, too"),
    "a short name": ("w = 2 * (o.pull or 3)", "o.pull or 3, which is 3 for pull=0, too"),
    "if": ("w = o.pull if o.pull else 3", "o.pull if o.pull else 3, which is 3 for pull=0, too"),
    "None": ("w = o.some or 7", "o.some or 7, which is 7 for some=0, too"),
}


@pytest.mark.parametrize(("body", "told"), ZERO.values(), ids=ZERO)
def test_a_0_that_is_taken_for_unset_is_told(tmp_path: Path, body: str, told: str) -> None:
    (note,) = read_source(write(tmp_path, {"my_method.py": TEXT.format(body=body)})).notes
    assert f" says {told}; use " in note


RIGHT = (
    "w = o.above or 1.0", "w = o.none or 5", "w = o.word or 'b'", "w = o.flag or 1",
    "if o.pull or o.some: pass", "w = 1 if o.pull or o.some else 2", "w = bool(o.pull or o.some)",
    "w = [x for x in () if o.pull or x]", "w = not (o.pull or o.some)", "w = model.pull or 2",
    "w = o.pull if o.pull is not None else 2", "w = o.pull if o.pull else None",
)  # fmt: skip


@pytest.mark.parametrize("body", RIGHT)
def test_what_may_be_meant_is_not(tmp_path: Path, body: str) -> None:
    assert read_source(write(tmp_path, {"my_method.py": TEXT.format(body=body)})).notes == ()
