"""Animals, fruit, food and emblems: classes that only pre-training sees."""

from __future__ import annotations

from benchmarks.mini.canvas import Pen, both, cut, join, kind


@kind("penguin", "black white orange", "dark white yellow", "blue cream orange")
def _penguin(p: Pen) -> None:
    w, h, wing = p.u(0.30, 0.40), p.u(0.56, 0.68), p.u(8.0, 40.0)
    m = p.mirror()
    p.fill(m.ell(0.17, 0.76, 0.17, 0.07), "c")
    p.fill(m.at(w * 0.8, -0.15, -wing).ell(0.0, 0.25, 0.085, 0.30))
    p.fill(join(p.ell(0.0, 0.12, w, h), p.ell(0.0, -0.45, p.u(0.22, 0.28))))
    p.fill(join(p.ell(0.0, 0.22, w * 0.7, h * 0.75), m.ell(0.09, -0.42, 0.10, 0.12)), "b", line=False)
    p.fill(m.ell(0.09, -0.46, 0.045), "black")
    p.fill(p.trap(0.0, -0.40, 0.09, -0.24, 0.0), "c")


@kind("owl", "brown tan orange", "grey white yellow", "tan cream orange", "dark grey yellow")
def _owl(p: Pen) -> None:
    w, r, ear = p.u(0.36, 0.46), p.u(0.16, 0.21), p.u(0.15, 0.28)
    m = p.mirror()
    p.fill(m.at(0.28, -0.45, 25.0).trap(0.0, -ear, 0.0, 0.12, 0.13))
    p.fill(m.ell(0.13, 0.70, 0.10, 0.06), "c")
    p.fill(p.ell(0.0, 0.05, w, p.u(0.60, 0.68)))
    p.fill(p.ell(0.0, 0.28, w * 0.6, 0.32), "b")
    p.fill(m.ell(w * 0.9, 0.15, 0.12, 0.34, -12.0), "a-")
    p.fill(m.ell(0.18, -0.25, r), "white")
    p.fill(m.ell(0.17, -0.25, r * 0.5), "black")
    p.fill(p.trap(0.0, -0.20, 0.07, -0.02, 0.0), "c")


@kind("pig", "pink", "tan pink", "white pink", "brown pink")
def _pig(p: Pen) -> None:
    w, ear = p.u(0.46, 0.58), p.u(0.2, 0.3)
    m = p.mirror()
    p.fill(m.at(w * 0.65, -0.34, p.u(15.0, 50.0)).trap(0.0, -ear, 0.02, 0.14, 0.17), "a-")
    p.fill(p.ell(0.0, 0.06, w, p.u(0.42, 0.52)))
    p.fill(p.ell(0.0, p.u(0.12, 0.22), p.u(0.20, 0.26), 0.15), "b-")
    p.fill(m.ell(0.085, 0.18, 0.035, 0.06), "dark")
    p.fill(m.ell(0.24, -0.10, 0.055), "black")


@kind("bee", "yellow black", "orange dark", "gold brown", upright=False)
def _bee(p: Pen) -> None:
    a, b = p.u(0.42, 0.54), p.u(0.24, 0.33)
    p.fill(p.ell(0.0, -0.36, p.u(0.14, 0.20), p.u(0.24, 0.34), p.u(0.0, 25.0)), "glass")
    p.fill(p.ell(0.2, -0.32, 0.13, 0.26, p.u(25.0, 50.0)), "glass")
    p.fill(p.at(a, 0.1, 90.0).trap(0.0, -0.18, 0.0, 0.05, 0.06), "b")
    body = p.ell(0.0, 0.1, a, b)
    p.fill(body)
    p.fill(both(body, join(*(p.box(x, 0.0, 0.07, 1.0) for x in (-0.1, 0.14, 0.36)))), "b", flat=True)
    p.fill(p.ell(-a * 0.9, 0.05, 0.20), "b")
    p.fill(p.ell(-a - 0.02, 0.0, 0.045), "white")
    p.fill(p.path([(-a, -0.1), (-a - 0.05, -0.3), (-a - 0.16, -0.36)], 0.018), "b")


@kind("crab", "red orange", "orange red", "blue tan", "brown orange")
def _crab(p: Pen) -> None:
    w, h, claw = p.u(0.36, 0.48), p.u(0.24, 0.32), p.u(0.15, 0.22)
    m = p.mirror()
    for y, low in ((0.15, 0.35), (0.22, 0.55), (0.3, 0.68)):
        p.fill(m.path([(w * 0.7, y), (w + 0.18, y - 0.02), (w + 0.24, low)], 0.032))
    up = p.u(-0.5, -0.25)
    p.fill(m.line(w * 0.8, 0.0, w + 0.16, up + 0.12, 0.05))
    p.fill(cut(m.ell(w + 0.16, up, claw), m.at(w + 0.14, up, p.u(-30.0, 10.0)).trap(0.0, -0.3, 0.12, 0.02, 0.0)))
    p.fill(m.line(0.14, 0.0, 0.16, -0.26, 0.03))
    p.fill(m.ell(0.16, -0.28, 0.065), "black")
    p.fill(p.ell(0.0, 0.14, w, h))
    p.fill(p.mirror().ell(0.15, 0.10, 0.07), "b", line=False)


@kind("whale", "blue white", "grey cream", "dark white", "teal white")
def _whale(p: Pen) -> None:
    w, h, up = p.u(0.46, 0.58), p.u(0.28, 0.38), p.u(-0.40, -0.15)
    p.fill(p.line(0.25, 0.12, 0.74, up, 0.20, 0.05))
    p.fill(p.at(0.76, up, p.u(5.0, 35.0)).mirror().ell(0.13, -0.05, 0.17, 0.07, -30.0))
    body = p.ell(-0.2, 0.12, w, h)
    p.fill(body)
    p.fill(both(body, p.below(p.u(0.18, 0.28))), "b")
    p.fill(p.ell(-0.48, 0.05, 0.04), "black")
    p.fill(
        join(
            p.line(-0.2, -0.2, -0.2, -0.5, 0.02),
            p.line(-0.2, -0.5, -0.34, -0.6, 0.025),
            p.line(-0.2, -0.5, -0.06, -0.6, 0.025),
        ),
        "sky",
    )


@kind("octopus", "purple pink", "red orange", "any any", "orange cream", "teal lime")
def _octopus(p: Pen) -> None:
    w, h, reach = p.u(0.32, 0.42), p.u(0.36, 0.46), p.u(0.55, 0.78)
    m = p.mirror()
    p.fill(m.path([(0.22, 0.1), (0.44, 0.30), (reach, p.u(0.05, 0.35))], 0.07))
    p.fill(m.path([(0.15, 0.15), (0.34, 0.52), (reach * 0.85, 0.62)], 0.07))
    p.fill(m.path([(0.06, 0.15), (0.10, 0.60), (p.u(0.16, 0.3), 0.75)], 0.07))
    p.fill(p.ell(0.0, -0.22, w, h))
    p.fill(m.ell(0.13, -0.06, 0.08), "white")
    p.fill(m.ell(0.13, -0.05, 0.04), "black")
    p.fill(m.ell(0.16, -0.42, 0.06), "b", line=False)


@kind("elephant", "grey pink", "silver pink", "sky cream", "brown tan")
def _elephant(p: Pen) -> None:
    w, ear, trunk = p.u(0.28, 0.36), p.u(0.26, 0.36), p.u(-0.18, 0.18)
    m = p.mirror()
    p.fill(m.ell(w + 0.12, -0.15, ear, ear * p.u(1.0, 1.3)))
    p.fill(m.ell(w + 0.12, -0.15, ear * 0.65, ear * 0.8), "b")
    p.fill(p.ell(0.0, -0.12, w, p.u(0.38, 0.46)))
    p.fill(m.line(0.14, 0.2, 0.24, p.u(0.36, 0.5), 0.05, 0.02), "white")
    p.fill(p.path([(0.0, 0.1), (0.0, 0.45), (trunk, 0.78)], 0.115))
    p.fill(m.ell(0.15, -0.15, 0.05), "black")


@kind("carrot", "orange green", "orange lime", "red green", "yellow green", upright=False)
def _carrot(p: Pen) -> None:
    w, length = p.u(0.16, 0.26), p.u(0.65, 0.85)
    for turn in (-28.0, 28.0, 0.0):
        p.fill(p.at(0.0, -0.4, turn).ell(0.0, -0.22, p.u(0.07, 0.10), 0.24), "b")
    p.fill(join(p.line(0.0, -0.28, 0.0, length, w, 0.02)))
    p.fill(
        join(p.box(-w * 0.4, -0.1, 0.07, 0.016), p.box(w * 0.3, 0.1, 0.06, 0.016), p.box(-0.04, 0.3, 0.05, 0.016)),
        "a-",
        line=False,
    )


@kind("pineapple", "gold green", "yellow green", "orange teal", upright=False)
def _pineapple(p: Pen) -> None:
    w, h, crown = p.u(0.28, 0.38), p.u(0.38, 0.50), p.u(0.22, 0.32)
    for turn in (-50.0, 50.0, -25.0, 25.0, 0.0):
        p.fill(p.at(0.0, 0.28 - h, turn).ell(0.0, -crown * 0.8, 0.075, crown), "b")
    body = p.ell(0.0, 0.30, w, h)
    p.fill(body)
    net = ((p.x + p.y) * 17).sin() * ((p.x - p.y) * 17).sin()
    p.fill(both(body, 0.06 * (net + 0.35)), "a-", line=False, flat=True)


@kind("watermelon", "red green", "pink green", "orange lime", upright=False)
def _watermelon(p: Pen) -> None:
    r, depth = p.u(0.62, 0.80), p.u(0.55, 0.80)
    for scale, colour in ((1.0, "b"), (0.87, "cream"), (0.80, "a")):
        p.fill(both(p.ell(0.0, -0.30, r * scale, depth * scale), p.below(-0.30)), colour)
    for x, y in ((-0.3, -0.1), (0.0, -0.05), (0.28, -0.12), (-0.12, 0.16), (0.14, 0.14)):
        p.fill(p.ell(x, y, 0.03, 0.05), "black", line=False)


@kind("cherry", "red green", "dark lime", "pink green", upright=False)
def _cherry(p: Pen) -> None:
    r, gap = p.u(0.22, 0.30), p.u(0.26, 0.40)
    y = p.u(0.2, 0.45)
    for x, low in ((-gap, 0.40), (gap, y)):
        p.fill(p.line(x, low - r * 0.7, 0.05, -0.62, 0.025), "b")
        p.fill(p.ell(x, low, r))
        p.fill(p.ell(x - 0.08, low - 0.08, 0.05), "a+", line=False)
    p.fill(p.ell(0.26, -0.62, p.u(0.18, 0.26), 0.09, p.u(-20.0, 20.0)), "b")


@kind("strawberry", "red green yellow", "pink lime cream", "red lime white", upright=False)
def _strawberry(p: Pen) -> None:
    w, h = p.u(0.36, 0.48), p.u(0.62, 0.80)
    p.fill(join(p.ell(0.0, -0.2, w, 0.24), both(p.ell(0.0, -0.22, w, h + 0.22), p.below(-0.22))))
    for x, y in ((-0.2, -0.15), (0.05, -0.05), (0.22, -0.18), (-0.12, 0.14), (0.13, 0.18), (0.0, 0.38)):
        p.fill(p.ell(x, y, 0.025, 0.04), "c", line=False)
    p.fill(p.at(0.0, -0.42).spin(5).ell(0.0, -0.16, 0.08, p.u(0.16, 0.22)), "b")


@kind("hamburger", "tan brown green", "orange brown lime", "brown dark red")
def _hamburger(p: Pen) -> None:
    w, h = p.u(0.52, 0.68), p.u(0.28, 0.46)
    p.fill(p.box(0.0, 0.40, w, p.u(0.09, 0.15), r=0.08))
    p.fill(p.box(0.0, 0.22, w + 0.04, p.u(0.07, 0.11), r=0.06), "b")
    p.fill(p.y.sub(0.08).sub(0.03 * (p.x * 20).sin()).abs().sub(0.05).maximum(p.x.abs() - w - 0.06), "c")
    p.fill(p.box(0.0, 0.02, w, 0.04), "yellow")
    p.fill(both(p.ell(0.0, 0.0, w, h), p.above(-0.02)))
    p.fill(join(p.ell(-0.2, -0.15, 0.03), p.ell(0.1, -0.2, 0.03), p.ell(0.28, -0.11, 0.03)), "cream", line=False)


@kind("doughnut", "pink tan", "brown tan", "any orange", "white brown", upright=False)
def _doughnut(p: Pen) -> None:
    r, hole = p.u(0.50, 0.66), p.u(0.15, 0.24)
    squash = p.u(0.65, 1.0)
    p.fill(cut(p.ell(0.0, 0.04, r, r * squash), p.ell(0.0, 0.0, hole, hole * squash)), "b")
    p.fill(cut(p.ell(0.0, 0.0, r * 0.9, r * squash * 0.85), p.ell(0.0, 0.0, hole * 1.25, hole * squash * 1.25)))
    for i, (x, y) in enumerate(((-0.3, -0.15), (0.25, -0.2), (0.36, 0.1), (-0.34, 0.14), (0.05, 0.33), (0.0, -0.33))):
        p.fill(p.ell(x, y * squash, 0.05, 0.02, 50.0 * i), ("yellow", "sky", "white")[i % 3], line=False)


@kind("crown", "gold red", "yellow blue", "silver any", "gold any")
def _crown(p: Pen) -> None:
    w, h = p.u(0.46, 0.60), p.u(0.36, 0.60)
    m = p.mirror()
    spikes = join(p.trap(0.0, 0.1 - h * p.u(0.9, 1.3), 0.0, 0.32, 0.26), m.trap(w * 0.9, 0.15 - h, 0.0, 0.32, 0.22),
                  m.trap(w * 0.5, 0.2 - h * 0.7, 0.0, 0.32, 0.22))  # fmt: skip
    p.fill(both(join(spikes, p.box(0.0, 0.24, w, 0.10)), p.box(0.0, 0.0, w + 0.1, 1.0)))
    p.fill(p.box(0.0, 0.40, w, 0.10), "a-")
    p.fill(join(p.ell(0.0, 0.40, 0.07), m.ell(w * 0.55, 0.40, 0.06)), "b")
    p.fill(m.ell(w * 0.9, 0.13 - h, 0.065), "b")


@kind("anchor", "dark", "silver", "blue", "gold", "brown", upright=False)
def _anchor(p: Pen) -> None:
    w, t = p.u(0.44, 0.60), p.u(0.05, 0.08)
    m = p.mirror()
    p.fill(p.ring(0.0, -0.66, p.u(0.11, 0.16), None, 0.045))
    hook = both(p.ring(0.0, 0.15, w, 0.52, t), p.below(0.18))
    p.fill(
        join(
            p.box(0.0, 0.08, t, 0.62),
            p.box(0.0, -0.36, p.u(0.24, 0.36), t),
            hook,
            m.at(w, 0.2).trap(0.0, -0.2, 0.0, 0.06, 0.15),
        )
    )


@kind("sword", "silver gold", "grey brown", "silver red", "sky dark", upright=False)
def _sword(p: Pen) -> None:
    w, guard = p.u(0.06, 0.11), p.u(0.20, 0.34)
    p.fill(join(p.box(0.0, -0.2, w, 0.55), p.trap(0.0, -0.90, 0.0, -0.74, w)))
    p.fill(p.box(0.0, -0.2, 0.018, 0.5), "a-", line=False)
    p.fill(p.box(0.0, 0.58, 0.05, 0.18), "b-")
    p.fill(p.box(0.0, 0.38, guard, p.u(0.04, 0.07), r=0.03), "b")
    p.fill(p.ell(0.0, 0.78, p.u(0.07, 0.11)), "b")


@kind("heart", "red", "pink", "purple", "any", upright=False)
def _heart(p: Pen) -> None:
    r, tip = p.u(0.30, 0.38), p.u(0.55, 0.78)
    m = p.mirror()
    p.fill(
        join(
            m.ell(r * 0.88, -0.22, r),
            m.poly((-0.02, -0.4), (r * 0.9, -0.3), (r * 1.74, -0.04), (0.0, tip), (-0.02, tip)),
        )
    )
    p.fill(p.ell(-0.32, -0.28, 0.08, 0.12, 30.0), "a+", line=False)
