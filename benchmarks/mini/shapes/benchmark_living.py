"""Animals, plants and fruit: 15 of the 40 classes of the benchmark."""

from __future__ import annotations

from benchmarks.mini.canvas import Pen, both, join, kind


@kind("fish", "orange cream", "any any", "silver blue", "sky yellow", "red white", upright=False)
def _fish(p: Pen) -> None:
    a, b, tail = p.u(0.42, 0.58), p.u(0.18, 0.36), p.u(0.18, 0.34)
    p.fill(p.at(a * 0.85 + 0.12, 0.0, -90.0).trap(0.0, -0.22, 0.03, 0.22, tail), "b")
    p.fill(p.at(0.05, -b, p.u(-15.0, 25.0)).trap(0.0, -0.18, 0.06, 0.2, 0.28), "b")
    p.fill(p.ell(-0.05, 0.0, a, b))
    stripes = both(p.ell(-0.05, 0.0, a, b), join(p.box(0.0, 0.0, 0.05, 1.0), p.box(0.25, 0.0, 0.05, 1.0)))
    p.fill(stripes, "b", line=False, flat=True)
    p.fill(p.line(-0.05, 0.04, 0.12, p.u(0.08, 0.2), 0.05), "b")
    p.fill(p.ell(-a * 0.65, -b * 0.25, 0.075), "white")
    p.fill(p.ell(-a * 0.66, -b * 0.25, 0.04), "black", line=False)


@kind("mushroom", "red white cream", "brown cream tan", "orange cream white", "any white cream")
def _mushroom(p: Pen) -> None:
    w, h, stem = p.u(0.42, 0.62), p.u(0.32, 0.60), p.u(0.11, 0.20)
    p.fill(p.trap(0.0, -0.1, stem, p.u(0.55, 0.75), stem * p.u(1.0, 1.5)), "c")
    cap = both(p.ell(0.0, 0.0, w, h), p.above(0.06))
    p.fill(cap)
    for x, y, r in ((-0.25, -0.15, 0.08), (0.05, -0.25, 0.09), (0.28, -0.08, 0.07), (-0.02, -0.04, 0.05)):
        p.fill(both(cap, p.ell(x, y * h * 2, r)), "b", flat=True)


@kind("tree", "green brown", "lime brown", "orange brown", "green dark", "yellow brown")
def _tree(p: Pen) -> None:
    w, h, trunk = p.u(0.30, 0.42), p.u(0.26, 0.40), p.u(0.06, 0.12)
    p.fill(p.trap(0.0, 0.0, trunk * 0.8, 0.82, trunk * 1.4), "b")
    p.fill(p.line(0.0, 0.35, 0.28, 0.0, 0.04), "b")
    spread = p.u(0.22, 0.36)
    crown = join(
        p.ell(0.0, -0.45, w, h), p.ell(-spread, -0.18, w * 0.8, h * 0.7), p.ell(spread, -0.22, w * 0.75, h * 0.8),
        p.ell(0.0, -0.12, w, h * 0.7),
    )  # fmt: skip
    p.fill(crown)
    p.fill(p.ell(-0.15, -0.45, 0.10), "a+", line=False)
    p.fill(p.ell(0.2, -0.2, 0.09), "a-", line=False)


@kind("bird", "blue cream orange", "red cream yellow", "brown tan orange", "any any yellow", "dark grey orange")
def _bird(p: Pen) -> None:
    a, b, head = p.u(0.36, 0.46), p.u(0.24, 0.32), p.u(0.17, 0.23)
    p.fill(p.line(-0.08, 0.2, -0.1, 0.62, 0.025), "c")
    p.fill(p.line(0.08, 0.2, 0.10, 0.62, 0.025), "c")
    p.fill(p.at(0.48, 0.02, p.u(-30.0, 15.0)).poly((-0.2, -0.08), (0.34, -0.12), (0.34, 0.10), (-0.2, 0.1)), "a-")
    p.fill(p.at(-0.52, -0.32).poly((0.1, -0.09), (0.1, 0.09), (p.u(-0.24, -0.12), 0.03)), "c")
    p.fill(join(p.ell(0.0, 0.08, a, b, -12.0), p.ell(-0.3, -0.3, head)))
    p.fill(p.ell(-0.12, 0.16, a * 0.55, b * 0.6), "b", line=False, flat=True)
    p.fill(p.ell(0.14, 0.04, p.u(0.2, 0.28), 0.14, p.u(-25.0, 5.0)), "a-")
    p.fill(p.ell(-0.36, -0.36, 0.05), "black")


@kind("cat", "grey pink cream", "orange pink white", "black pink yellow", "tan pink brown", "white pink grey")
def _cat(p: Pen) -> None:
    w, h, ear = p.u(0.46, 0.58), p.u(0.40, 0.50), p.u(0.26, 0.40)
    m = p.mirror()
    place = p.u(0.28, 0.38)
    p.fill(m.at(place, -h * 0.55, 18.0).trap(0.0, -ear - 0.05, 0.0, 0.15, 0.20))
    p.fill(m.at(place, -h * 0.55, 18.0).trap(0.0, -ear + 0.1, 0.0, 0.12, 0.11), "b", line=False)
    p.fill(p.ell(0.0, 0.08, w, h))
    p.fill(m.ell(p.u(0.18, 0.24), -0.02, 0.095, p.u(0.08, 0.12)), "lime")
    p.fill(m.ell(0.21, -0.02, 0.03, 0.08), "black", line=False)
    p.fill(p.trap(0.0, 0.16, 0.07, 0.25, 0.0), "b")
    p.fill(m.ring(0.075, 0.27, 0.075, 0.07, 0.015) + 0.0, "a-", line=True)
    p.fill(join(m.line(0.22, 0.22, 0.62, 0.14, 0.012), m.line(0.22, 0.27, 0.62, 0.32, 0.012)), "c", line=True)


@kind("rabbit", "white pink", "grey pink", "tan pink", "brown cream", "cream pink")
def _rabbit(p: Pen) -> None:
    w, ear, lean = p.u(0.34, 0.44), p.u(0.34, 0.48), p.u(2.0, 20.0)
    m = p.mirror()
    p.fill(m.at(0.17, -0.18, lean).ell(0.0, -ear, 0.12, ear))
    p.fill(m.at(0.17, -0.18, lean).ell(0.0, -ear, 0.055, ear * 0.75), "b", line=False)
    p.fill(p.ell(0.0, 0.22, w, p.u(0.34, 0.42)))
    p.fill(m.ell(0.17, 0.12, 0.06, 0.08), "black")
    p.fill(p.ell(0.0, 0.27, 0.06, 0.045), "pink")
    p.fill(m.ell(0.10, 0.38, 0.11, 0.08), "white")
    p.fill(p.box(0.0, 0.50, 0.06, 0.07), "white")


@kind("butterfly", "orange black", "blue black", "any any", "yellow brown", "white any", "purple pink", upright=False)
def _butterfly(p: Pen) -> None:
    a, b, low = p.u(0.30, 0.42), p.u(0.22, 0.34), p.u(0.20, 0.32)
    m = p.mirror()
    tilt = p.u(-45.0, -20.0)
    p.fill(m.ell(0.32, 0.30, low, low * 1.1, 35.0), "a-")
    p.fill(m.ell(0.38, -0.24, a, b, tilt))
    p.fill(m.ell(p.u(0.36, 0.5), -0.28, 0.13), "b")
    p.fill(m.ell(0.34, 0.32, p.u(0.06, 0.12)), "b")
    p.fill(p.ell(0.0, 0.05, p.u(0.05, 0.08), 0.42), "dark")
    p.fill(m.path([(0.02, -0.32), (0.10, -0.55), (0.20, -0.66)], 0.018), "dark")


@kind("snail", "brown tan", "orange cream", "any tan", "tan grey", "pink lime")
def _snail(p: Pen) -> None:
    r = p.u(0.34, 0.46)
    p.fill(join(p.line(-0.58, 0.42, 0.72, 0.52, 0.10, 0.03), p.line(-0.60, 0.42, -0.62, p.u(-0.05, 0.2), 0.11)), "b")
    y = p.u(-0.35, -0.18)
    p.fill(join(p.line(-0.65, 0.05, -0.76, y, 0.025), p.line(-0.58, 0.05, -0.54, y, 0.025)), "b")
    p.fill(p.ell(0.12, 0.08, r, r * p.u(0.88, 1.1)))
    p.fill(p.ring(0.14, 0.10, r * 0.68, None, 0.03), "a-", flat=True)
    p.fill(p.ring(0.16, 0.12, r * 0.34, None, 0.03), "a-", flat=True)


@kind("turtle", "green lime", "brown lime", "teal tan", "any green", "grey tan")
def _turtle(p: Pen) -> None:
    w, h = p.u(0.46, 0.60), p.u(0.34, 0.56)
    leg = p.u(0.10, 0.14)
    p.fill(p.line(-w * 0.8, 0.28, -w - p.u(0.16, 0.28), p.u(-0.05, 0.15), 0.11, 0.15), "b")
    p.fill(join(p.line(-0.32, 0.25, -0.38, 0.52, leg), p.line(0.32, 0.25, 0.38, 0.52, leg)), "b")
    p.fill(p.line(w * 0.8, 0.3, w + 0.2, 0.38, 0.06, 0.01), "b")
    shell = both(p.ell(0.0, 0.28, w, h), p.above(0.34))
    p.fill(shell)
    lines = join(p.at(0.0, 0.0, 35.0).box(0.0, 0.0, 0.018, 1.0), p.at(0.0, 0.0, -35.0).box(0.0, 0.0, 0.018, 1.0))
    p.fill(both(shell, join(lines, p.box(0.0, 0.08, 1.0, 0.018))), "a-", flat=True)
    p.fill(p.ell(-w - 0.24, 0.02, 0.035), "black")


@kind("duck", "yellow orange", "white orange", "brown yellow", "tan orange", "sky orange")
def _duck(p: Pen) -> None:
    a, b, r = p.u(0.44, 0.56), p.u(0.24, 0.34), p.u(0.19, 0.26)
    y = p.u(-0.48, -0.30)
    p.fill(p.ell(-0.55, y + 0.06, p.u(0.14, 0.22), 0.07), "b")
    p.fill(join(p.ell(0.08, 0.28, a, b), p.line(-0.28, y + 0.1, -0.22, 0.22, 0.15), p.ell(-0.30, y, r)))
    p.fill(p.at(0.58, 0.1, p.u(-40.0, -10.0)).trap(0.0, -0.2, 0.02, 0.2, 0.16))
    p.fill(p.ell(0.16, 0.26, a * 0.55, b * 0.55, -12.0), "a-")
    p.fill(p.ell(-0.36, y - 0.04, 0.045), "black")


@kind("flower", "pink yellow green", "white yellow green", "red black green", "any yellow lime", "yellow brown green")
def _flower(p: Pen) -> None:
    length, width, core = p.u(0.26, 0.36), p.u(0.11, 0.18), p.u(0.10, 0.18)
    p.fill(p.box(0.0, 0.35, 0.035, 0.50), "c")
    p.fill(p.ell(0.22, 0.45, 0.22, 0.08, p.u(-50.0, -15.0)), "c")
    p.fill(p.ell(-0.20, 0.58, 0.2, 0.07, 35.0), "c")
    p.fill(p.at(0.0, -0.28).spin(7).ell(0.0, -length, width, length * 0.75))
    p.fill(p.ell(0.0, -0.28, core), "b")


@kind("cactus", "green orange", "teal brown", "lime red", "green any")
def _cactus(p: Pen) -> None:
    w, arm, left, right = p.u(0.13, 0.20), p.u(0.08, 0.11), p.u(-0.05, 0.15), p.u(-0.25, 0.0)
    p.fill(p.path([(-0.05, left), (-0.42, left), (-0.42, left - p.u(0.2, 0.4))], arm))
    p.fill(p.path([(0.05, right + 0.15), (0.40, right + 0.15), (0.40, right - 0.2)], arm))
    p.fill(p.line(0.0, p.u(-0.62, -0.45), 0.0, 0.5, w))
    p.fill(join(p.box(-0.06, 0.0, 0.012, 0.5), p.box(0.06, 0.0, 0.012, 0.5)), "a-", line=False, flat=True)
    p.fill(p.trap(0.0, 0.42, 0.32, 0.82, p.u(0.18, 0.26)), "b")
    p.fill(p.box(0.0, 0.42, 0.37, 0.06), "b")


@kind("apple", "red green", "lime green", "yellow green", "red lime", upright=False)
def _apple(p: Pen) -> None:
    w, h = p.u(0.44, 0.56), p.u(0.42, 0.52)
    gap = p.u(0.12, 0.20)
    body = join(p.ell(-gap, 0.1, w - gap, h), p.ell(gap, 0.1, w - gap, h), p.ell(0.0, 0.12, w * 0.75, h * 0.85))
    p.fill(p.line(0.0, -0.2, p.u(-0.1, 0.15), -0.58, 0.03), "brown")
    p.fill(body)
    p.fill(p.ell(0.20, -0.52, 0.18, p.u(0.06, 0.10), p.u(-45.0, -5.0)), "b")
    p.fill(p.ell(-0.25, -0.08, 0.07, 0.12, 25.0), "a+", line=False)


@kind("pear", "lime green", "yellow green", "orange green", "green lime", upright=False)
def _pear(p: Pen) -> None:
    w, up = p.u(0.36, 0.48), p.u(0.17, 0.24)
    y = p.u(-0.45, -0.28)
    p.fill(p.line(0.0, y, p.u(-0.1, 0.15), y - 0.42, 0.03), "brown")
    p.fill(join(p.ell(0.0, 0.28, w, 0.40), p.ell(0.0, y, up, 0.24), p.trap(0.0, y, up, 0.22, w * 0.96)))
    p.fill(p.ell(0.17, y - 0.28, 0.15, 0.06, -30.0), "b")
    p.fill(p.ell(-0.15, 0.15, 0.06, 0.12, 20.0), "a+", line=False)


@kind(
    "dog",
    "brown dark cream",
    "tan brown white",
    "white brown white",
    "grey dark cream",
    "black brown tan",
    "gold brown cream",
)
def _dog(p: Pen) -> None:
    w, h, ear = p.u(0.40, 0.50), p.u(0.42, 0.52), p.u(0.26, 0.38)
    m = p.mirror()
    p.fill(p.ell(0.0, 0.0, w, h))
    p.fill(m.ell(w * 0.98, p.u(-0.12, 0.10), p.u(0.13, 0.18), ear, p.u(-25.0, -5.0)), "b")
    p.fill(p.ell(0.0, p.u(0.25, 0.33), p.u(0.24, 0.32), 0.24), "c")
    p.fill(m.ell(0.19, -0.12, 0.065), "black")
    p.fill(p.ell(0.0, 0.14, 0.11, 0.075), "black")
    p.fill(p.ell(0.0, 0.46, 0.07, p.u(0.04, 0.13)), "pink")
