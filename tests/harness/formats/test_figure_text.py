"""How numbers are printed: of things that are counted."""

from __future__ import annotations

import pytest

from harness.formats.figure_text import are, counted


@pytest.mark.parametrize(("number", "text"), [(0, "0 workers are"), (1, "1 worker is"), (2, "2 workers are")])
def test_the_noun_and_its_verb_go_by_the_number(number: int, text: str) -> None:
    assert f"{counted(number, 'worker')} {are(number)}" == text


def test_a_plural_of_its_own() -> None:
    assert (counted(1, "class", "classes"), counted(3, "class", "classes")) == ("1 class", "3 classes")
