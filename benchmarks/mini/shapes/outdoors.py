"""Plants, sky, buildings, vehicles: classes that only pre-training sees."""

from __future__ import annotations

from benchmarks.mini.canvas import Pen, both, cut, join, kind


@kind("pine", "green brown", "teal brown", "dark brown", "green white")
def _pine(p: Pen) -> None:
    w = p.u(0.34, 0.54)
    p.fill(p.box(0.0, 0.7, p.u(0.05, 0.09), 0.16), "b")
    top = p.u(-0.85, -0.65)
    for level in (2, 1, 0):
        y = top + 0.38 * level
        p.fill(p.trap(0.0, y, 0.0, y + 0.55, w * (0.55 + 0.22 * level)))


@kind("palm", "green brown", "lime tan", "teal brown")
def _palm(p: Pen) -> None:
    lean, length = p.u(-0.25, 0.25), p.u(0.36, 0.50)
    p.fill(p.line(0.0, 0.82, lean, -0.3, 0.09, 0.05), "b")
    crown = p.at(lean, -0.32)
    for turn in (100.0, -100.0, 55.0, -55.0, 12.0, -20.0):
        p.fill(crown.at(0.0, 0.0, turn).ell(0.0, -length * 0.8, 0.10, length * 0.8))


@kind("leaf", "green lime", "orange brown", "red orange", "yellow brown", upright=False)
def _leaf(p: Pen) -> None:
    bulge, gap = p.u(0.62, 0.80), p.u(0.30, 0.42)
    p.fill(p.line(0.0, 0.4, p.u(-0.1, 0.1), 0.85, 0.03), "b")
    p.fill(both(p.ell(gap, 0.0, bulge), p.ell(-gap, 0.0, bulge)))
    p.fill(p.box(0.0, 0.05, 0.02, 0.5), "b", line=False)
    m = p.mirror()
    p.fill(join(*(m.line(0.0, y, 0.2, y - 0.16, 0.014) for y in (-0.2, 0.05, 0.3))), "b", line=False)


@kind("star", "yellow", "gold", "red", "any", upright=False)
def _star(p: Pen) -> None:
    outer, inner = p.u(0.62, 0.82), p.u(0.26, 0.40)
    p.fill(p.spin(5).trap(0.0, -outer, 0.0, -inner * 0.62, inner * 0.6) - 0.02)
    p.fill(p.ell(0.0, 0.0, inner * 0.8), "a", line=False, flat=True)


@kind("moon", "yellow", "cream", "silver", "sky", upright=False)
def _moon(p: Pen) -> None:
    r, bite = p.u(0.52, 0.70), p.u(0.30, 0.44)
    p.fill(cut(p.ell(0.0, 0.0, r), p.ell(bite, p.u(-0.12, 0.02), r * 0.82)))
    p.fill(p.ell(-r * 0.75, p.u(-0.1, 0.2), 0.05), "a-", line=False)


@kind("cloud", "white", "silver", "grey", "sky")
def _cloud(p: Pen) -> None:
    r, side = p.u(0.28, 0.38), p.u(0.20, 0.28)
    p.fill(join(p.ell(p.u(-0.15, 0.1), -0.12, r), p.ell(-0.42, 0.08, side), p.ell(0.40, 0.05, p.u(0.20, 0.30)),
                p.box(0.0, 0.16, 0.5, 0.14, r=0.13)))  # fmt: skip


@kind("windmill", "white red brown", "tan brown dark", "any dark white")
def _windmill(p: Pen) -> None:
    w = p.u(0.15, 0.22)
    p.fill(p.trap(0.0, -0.3, w, 0.82, w * p.u(1.4, 1.9)))
    p.fill(p.trap(0.0, -0.52, 0.03, -0.28, w * 1.2), "b")
    p.fill(p.box(0.0, 0.66, 0.08, 0.16), "c")
    hub = p.at(0.0, -0.3, p.u(0.0, 90.0)).spin(4)
    p.fill(hub.box(0.02, -0.32, p.u(0.05, 0.09), p.u(0.20, 0.30)), "c")
    p.fill(hub.box(0.0, -0.2, 0.02, 0.2), "b", line=False)


@kind("church", "cream red brown", "white dark brown", "tan brown dark", "grey teal dark")
def _church(p: Pen) -> None:
    w, x = p.u(0.30, 0.42), p.u(0.10, 0.2)
    p.fill(p.box(x, 0.42, w + 0.1, 0.34))
    p.fill(p.trap(x, -0.15, 0.12, 0.10, w + 0.16), "b")
    p.fill(p.box(-0.40, 0.26, 0.19, 0.50))
    p.fill(p.trap(-0.40, -0.24 - p.u(0.28, 0.44), 0.0, -0.22, 0.23), "b")
    p.fill(join(p.box(-0.40, -0.72, 0.018, 0.14), p.box(-0.40, -0.74, 0.07, 0.018)), "c")
    p.fill(p.box(-0.40, 0.60, 0.08, 0.16), "c")
    p.fill(p.ell(x + 0.05, 0.40, 0.08, 0.13), "glass")


@kind("tent", "orange brown", "any dark", "green tan", "red cream")
def _tent(p: Pen) -> None:
    w, h = p.u(0.60, 0.82), p.u(0.36, 0.60)
    p.fill(p.trap(0.0, 0.55 - 2 * h, 0.02, 0.55, w))
    p.fill(p.trap(p.u(-0.1, 0.1), 0.55 - 1.5 * h, 0.0, 0.55, p.u(0.16, 0.32)), "b")
    p.fill(p.box(0.0, 0.58, w + 0.05, 0.03), "a-")


@kind("bridge", "red grey", "grey brown", "tan dark", "any silver")
def _bridge(p: Pen) -> None:
    m = p.mirror()
    x, sag = p.u(0.42, 0.56), p.u(0.30, 0.50)
    cable = p.y - (-0.45 + sag * (1 - (m.x / x) ** 2).clamp(min=0)) - 1.2 * (m.x - x).clamp(min=0)
    p.fill(both(cable.abs() - 0.022, p.box(0.0, 0.0, 0.9, 0.6)))
    hangers = (p.x * 24.0).sin().abs() * -0.06 + 0.054
    p.fill(both(hangers, -cable, p.box(0.0, -0.1, 0.9, 0.4)), line=False)
    p.fill(m.box(x, 0.0, p.u(0.045, 0.08), 0.55))
    p.fill(p.box(0.0, 0.22, 0.92, p.u(0.05, 0.09)), "b")


@kind("bus", "yellow glass dark", "red glass white", "any glass dark", "blue glass white")
def _bus(p: Pen) -> None:
    w, h = p.u(0.66, 0.84), p.u(0.26, 0.36)
    p.fill(p.box(0.0, 0.0, w, h, r=0.06))
    for i in range(4):
        p.fill(p.box(-w + 0.18 + i * (w - 0.1) * 0.52, -h * 0.35, 0.11, h * 0.36), "b")
    p.fill(p.box(0.0, h * 0.45, w, 0.035), "c", line=False)
    wheel = p.u(0.42, 0.52)
    p.fill(p.mirror().ell(wheel, h, 0.13), "black")
    p.fill(p.mirror().ell(wheel, h, 0.055), "silver")


@kind("truck", "any white dark", "red silver dark", "blue tan dark", "white any dark")
def _truck(p: Pen) -> None:
    h, cab = p.u(0.32, 0.46), p.u(0.22, 0.32)
    p.fill(p.box(0.16, 0.32 - h, 0.60, h), "b")
    p.fill(join(p.box(-0.64, 0.32 - cab, 0.20, cab, r=0.05), p.box(0.0, 0.36, 0.78, 0.06)))
    p.fill(p.box(-0.68, 0.24 - cab, 0.11, cab * 0.4), "glass")
    for x in (-0.58, 0.30, 0.60):
        p.fill(p.ell(x, 0.46, p.u(0.12, 0.15)), "black")
        p.fill(p.ell(x, 0.46, 0.05), "silver")


@kind("tractor", "green yellow", "red cream", "blue silver", "orange dark")
def _tractor(p: Pen) -> None:
    big, small = p.u(0.30, 0.40), p.u(0.15, 0.21)
    p.fill(p.box(-0.60, -0.28, 0.035, p.u(0.16, 0.26)), "dark")
    p.fill(p.box(-0.35, 0.08, 0.42, p.u(0.15, 0.22)))
    p.fill(p.box(0.28, -0.26, 0.27, p.u(0.30, 0.38)))
    p.fill(p.box(0.26, -0.36, 0.18, 0.14), "glass")
    for x, r in ((0.35, big), (-0.52, small)):
        p.fill(p.ell(x, 0.62 - r, r), "black")
        p.fill(p.ell(x, 0.62 - r, r * 0.5), "b")


@kind("helicopter", "red glass", "any glass", "green glass", "yellow glass", "white blue")
def _helicopter(p: Pen) -> None:
    a, b = p.u(0.34, 0.44), p.u(0.24, 0.32)
    p.fill(p.line(0.1, 0.0, 0.80, p.u(-0.2, -0.05), 0.10, 0.035))
    p.fill(p.at(0.8, -0.14).spin(4).box(0.0, -0.1, 0.03, 0.1), "dark")
    p.fill(p.box(-0.1, -b - 0.02, 0.03, 0.14), "dark")
    p.fill(p.box(-0.1, -b - 0.16, p.u(0.55, 0.75), 0.03), "dark")
    p.fill(p.ell(-0.15, 0.06, a, b))
    p.fill(both(p.ell(-0.15, 0.04, a * 0.8, b * 0.75), p.left(-0.18)), "b")
    p.fill(
        join(p.box(-0.12, b + 0.22, 0.42, 0.025), p.box(-0.28, b + 0.12, 0.02, 0.1), p.box(0.06, b + 0.12, 0.02, 0.1)),
        "dark",
    )


@kind("submarine", "yellow glass", "grey dark", "any glass", "red sky")
def _submarine(p: Pen) -> None:
    a, b, x = p.u(0.60, 0.74), p.u(0.22, 0.32), p.u(-0.15, 0.15)
    p.fill(p.path([(x, -0.2), (x, -b - 0.35), (x - 0.16, -b - 0.35)], 0.035), "dark")
    p.fill(p.box(x, -b, p.u(0.16, 0.24), 0.16, r=0.05))
    p.fill(p.at(a + 0.06, 0.1).ell(0.0, 0.0, 0.05, 0.18), "dark")
    p.fill(p.ell(0.0, 0.1, a, b))
    for i in (-1, 0, 1):
        p.fill(p.ell(i * a * 0.5, 0.06, 0.09), "b")


@kind("train", "red dark glass", "any dark glass", "green black yellow", "blue dark glass")
def _train(p: Pen) -> None:
    h = p.u(0.15, 0.22)
    p.fill(p.trap(-0.45, -0.35 - p.u(0.05, 0.2), p.u(0.08, 0.14), 0.0, 0.06), "b")
    p.fill(p.box(-0.22, 0.12, 0.50, h, r=0.08))
    p.fill(p.box(0.45, -0.04, 0.26, p.u(0.34, 0.42)))
    p.fill(p.box(0.45, -0.20, 0.15, 0.12), "c")
    p.fill(p.box(0.45, -0.44, 0.34, 0.05), "b")
    p.fill(p.trap(-0.74, 0.20, 0.03, 0.52, 0.15), "b")
    for x in (-0.48, -0.12, 0.42):
        p.fill(p.ell(x, 0.45, p.u(0.13, 0.17)), "b")
        p.fill(p.ell(x, 0.45, 0.06), "silver")


@kind("wheel", "black silver", "dark grey", "brown tan", "black any", upright=False)
def _wheel(p: Pen) -> None:
    r = p.u(0.56, 0.74)
    p.fill(p.ell(0.0, 0.0, r))
    rim = r * p.u(0.62, 0.78)
    p.fill(p.ell(0.0, 0.0, rim), "b")
    p.fill(p.ell(0.0, 0.0, rim * 0.82), "dark")
    p.fill(p.at(0.0, 0.0, p.u(0.0, 60.0)).spin(6).box(0.0, -rim * 0.45, p.u(0.04, 0.07), rim * 0.45), "b")
    p.fill(p.ell(0.0, 0.0, 0.11), "b")


@kind("gear", "silver", "gold", "dark", "brown", "any", upright=False)
def _gear(p: Pen) -> None:
    r = p.u(0.44, 0.56)
    teeth = p.at(0.0, 0.0, p.u(0.0, 45.0)).spin(8).trap(0.0, -r - p.u(0.12, 0.22), p.u(0.06, 0.1), -r * 0.8, 0.14)
    p.fill(cut(join(p.ell(0.0, 0.0, r), teeth), p.ell(0.0, 0.0, r * p.u(0.3, 0.55))))
