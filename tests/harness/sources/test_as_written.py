"""A class must stay what its file says: results are keyed by the file."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from plugin_files import imported, write

from harness.errors import UsageError
from harness.method import Method
from harness.sources.as_written import changed_since
from harness.sources.method_source import method_source
from methods.stamina import Stamina

TEXT = '''
from harness.method import Method
from harness.spec import MethodOptions

SCALE: float = 2.0
COUNT = [1, 2]
CALLS = 0

def helper():
    global CALLS
    CALLS += 1
    return SCALE

def other(self):
    return {}

class Base(Method[MethodOptions]):
    options_class = MethodOptions
    strength = 1.0
    independent: bool = False

    def begin_task(self, model, generator):
        raise NotImplementedError

    def penalties(self):
        return {}

    @property
    def size(self):
        return 1

class Mine(Base):
    """Nothing of its own."""

if True:
    Mine.late = 3
Mine.recall = other
'''

CHANGES: dict[str, tuple[Any, str]] = {
    "a hook": (lambda m: setattr(m.Base, "penalties", lambda self: {"a": 1}), "Base.penalties"),
    "a hook by another of its functions": (lambda m: setattr(m.Base, "penalties", m.other), "Base.penalties"),
    "a hook that it had not": (lambda m: setattr(m.Mine, "measures", lambda self: {}), "Mine.measures"),
    "a value": (lambda m: setattr(m.Base, "strength", 2.0), "Base.strength"),
    "a fact": (lambda m: setattr(m.Base, "independent", True), "Base.independent"),
    "a value that it had not": (lambda m: setattr(m.Mine, "strength", 2.0), "Mine.strength"),
    "a variable of its module": (lambda m: setattr(m, "SCALE", 3.0), "my_method.SCALE"),
    "a list of its module": (lambda m: m.COUNT.append(3), "my_method.COUNT"),
    "a function of its module": (lambda m: setattr(m, "helper", lambda: 0), "my_method.helper"),
    "a hook that is gone": (lambda m: delattr(m.Base, "penalties"), "Base.penalties"),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("change", "what"), CHANGES.values(), ids=CHANGES)
def test_what_is_assigned_from_outside_is_refused(tmp_path: Path, change: Any, what: str, when: str) -> None:
    """Whether or not the class had results before."""
    with imported(write(tmp_path, {"my_method.py": TEXT})) as module:
        if when == "after":
            method_source(module.Mine, Method)
        change(module)
        with pytest.raises(UsageError) as said:
            method_source(module.Mine, Method)
    assert str(said.value) == (
        f"{what} is not what {tmp_path / 'my_method.py'} says: something else was assigned to it in Python, and "
        "results are keyed by that file; derive a class of your own and define it there."
    )


def test_what_a_file_does_itself_is_no_change(tmp_path: Path) -> None:
    with imported(write(tmp_path, {"my_method.py": TEXT})) as module:
        module.helper()
        method_source(module.Mine, Method)
        module.Mine.late = 3
        method_source(module.Mine, Method)
    own = TEXT + "\nsetattr(Base, 'penalties', other)\n"
    with imported(write(tmp_path, {"my_method.py": own})) as module:
        method_source(module.Mine, Method)


def test_a_built_in_method_that_is_patched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stamina, "penalties", lambda self: {})
    with pytest.raises(UsageError, match=r"^Stamina.penalties is not what .*stamina.py says"):
        method_source(Stamina, Method)


def test_texts_that_are_no_python_tell_nothing() -> None:
    module = inspect.getmodule(Stamina)
    assert isinstance(module, ModuleType)
    assert changed_since(Stamina, vars(module), "a.py", b"class Stamina(") == ""
