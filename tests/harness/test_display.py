from __future__ import annotations

import io

from rich.console import Console

from harness.display import LiveDisplay, PlainDisplay, QuietDisplay, make_display


def test_plain_lines_count_steps_and_come_without_control_codes() -> None:
    stream = io.StringIO()
    display = PlainDisplay(Console(file=stream, width=200), every_s=0.0)
    display.start(4, 1)
    display.step_done("train [1]", 1.0, 0.5)
    display.step_done("score", 0.1, 1.0)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "1 of 4 steps are in the store"
    assert lines[1].startswith("[2/4] train [1] (1.0 s); about")
    assert "about 0.0 min left" in lines[2]
    assert "\x1b" not in stream.getvalue()


def test_the_display_suits_where_stderr_goes() -> None:
    assert isinstance(make_display(Console(file=io.StringIO())), PlainDisplay)
    assert isinstance(make_display(Console(file=io.StringIO(), force_terminal=True)), LiveDisplay)
    assert isinstance(make_display(Console(file=io.StringIO()), quiet=True), QuietDisplay)


def test_a_live_display_survives_labels_that_look_like_markup() -> None:
    stream = io.StringIO()
    display = LiveDisplay(Console(file=stream, force_terminal=True, width=120))
    display.start(2, 0)
    display.step_done("task [/bold] of [x]", 1.0, 0.5)
    display.note("a note [y]")
    display.stop()
    assert "[y]" in stream.getvalue()
