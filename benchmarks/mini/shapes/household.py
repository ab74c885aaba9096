"""Tools, kitchen, instruments, furniture, clothes: classes that only pre-training sees."""

from __future__ import annotations

from benchmarks.mini.canvas import Pen, both, cut, join, kind


@kind("spoon", "silver", "gold", "brown", "any", upright=False)
def _spoon(p: Pen) -> None:
    a, b = p.u(0.15, 0.22), p.u(0.24, 0.32)
    p.fill(join(p.line(0.0, -0.3, 0.0, 0.8, 0.04, p.u(0.05, 0.09)), p.ell(0.0, -0.5, a, b)))
    p.fill(p.ell(0.0, -0.5, a * 0.68, b * 0.72), "a-")


@kind("fork", "silver", "gold", "brown", "any", upright=False)
def _fork(p: Pen) -> None:
    w, low = p.u(0.14, 0.21), p.u(-0.35, -0.2)
    tines = join(*(p.line(w * i, low, w * i, -0.8, 0.035) for i in (-1.0, -0.33, 0.33, 1.0)))
    p.fill(join(tines, p.ell(0.0, low, w + 0.03, 0.13), p.line(0.0, low, 0.0, 0.8, 0.04, p.u(0.05, 0.09))))


@kind("knife", "silver dark", "silver brown", "silver any", upright=False)
def _knife(p: Pen) -> None:
    w, length = p.u(0.12, 0.20), p.u(0.65, 0.9)
    p.fill(both(p.ell(-w, 0.1, w * 2, length), p.right(-0.07), p.above(0.12)))
    p.fill(p.box(0.0, 0.45, p.u(0.07, 0.10), p.u(0.30, 0.38), r=0.05), "b")
    p.fill(join(p.ell(0.0, 0.3, 0.025), p.ell(0.0, 0.55, 0.025)), "silver", line=False)


@kind("pan", "dark grey brown", "red dark black", "silver dark black", "black dark tan", upright=False)
def _pan(p: Pen) -> None:
    r = p.u(0.38, 0.48)
    p.fill(p.line(0.0, 0.0, p.u(0.78, 0.9), p.u(-0.1, 0.1), p.u(0.05, 0.08)), "c")
    p.fill(p.ell(-0.25, 0.0, r))
    p.fill(p.ell(-0.25, 0.0, r * 0.8), "b")
    p.fill(p.ell(-0.28, p.u(-0.1, 0.1), 0.20, 0.17), "white")
    p.fill(p.ell(-0.28, 0.0, 0.085), "yellow")


@kind("pot", "silver dark", "red black", "any dark", "dark silver")
def _pot(p: Pen) -> None:
    w, h = p.u(0.44, 0.58), p.u(0.24, 0.38)
    p.fill(p.mirror().box(w + 0.08, p.u(-0.1, 0.05), 0.12, 0.055, r=0.04), "b")
    p.fill(p.box(0.0, 0.15, w, h, r=0.08))
    p.fill(both(p.ell(0.0, 0.15 - h, w + 0.03, p.u(0.12, 0.22)), p.above(0.16 - h)), "a+")
    p.fill(p.ell(0.0, -0.02 - h, 0.08), "b")


@kind("barrel", "brown dark", "tan brown", "any grey", "orange dark")
def _barrel(p: Pen) -> None:
    w, bulge, h = p.u(0.32, 0.42), p.u(0.06, 0.16), p.u(0.5, 0.66)
    body = both(p.ell(0.0, 0.0, w + bulge, h * 1.8), p.box(0.0, 0.0, 1.0, h))
    p.fill(body)
    p.fill(both(body, join(*(p.box(x, 0.0, 0.014, 1.0) for x in (-0.2, 0.0, 0.2)))), "a-", line=False, flat=True)
    place = p.u(0.5, 0.75)
    p.fill(both(body, join(p.box(0.0, -h * place, 1.0, 0.05), p.box(0.0, h * place, 1.0, 0.05))), "b")


@kind("bucket", "silver grey", "red white", "blue silver", "any any")
def _bucket(p: Pen) -> None:
    w, low = p.u(0.40, 0.54), p.u(0.26, 0.36)
    p.fill(both(p.ring(0.0, -0.25, w, p.u(0.40, 0.58), 0.03), p.above(-0.2)), "b")
    p.fill(p.trap(0.0, -0.3, w, p.u(0.5, 0.72), low))
    p.fill(p.ell(0.0, -0.3, w, p.u(0.08, 0.14)), "a-")
    p.fill(both(p.trap(0.0, -0.3, w, 0.6, low), p.box(0.0, 0.1, 1.0, 0.05)), "b", line=False)


@kind("book", "red cream", "blue white", "any cream", "green gold", "brown gold", upright=False)
def _book(p: Pen) -> None:
    w, h = p.u(0.36, 0.50), p.u(0.48, 0.64)
    p.fill(p.box(0.07, 0.06, w, h), "cream")
    p.fill(p.box(0.0, 0.0, w, h))
    p.fill(p.box(0.07 - w, 0.0, 0.07, h), "a-")
    p.fill(p.box(0.08, -h * 0.4, w * 0.55, p.u(0.06, 0.14)), "b")
    p.fill(p.box(0.08, h * p.u(0.2, 0.6), w * 0.4, 0.03), "b", line=False)


@kind("envelope", "white red", "cream any", "tan brown", "sky red", upright=False)
def _envelope(p: Pen) -> None:
    w, h = p.u(0.60, 0.76), p.u(0.36, 0.48)
    p.fill(p.box(0.0, 0.0, w, h))
    m = p.mirror()
    fold = p.u(0.0, 0.14)
    p.fill(join(m.line(0.0, fold, w, h, 0.018), m.line(0.0, fold, w, -h, 0.022)), "a-")
    p.fill(p.ell(0.0, fold, p.u(0.07, 0.11)), "b")


@kind("pencil", "yellow pink tan", "red white tan", "any pink tan", "green dark tan", upright=False)
def _pencil(p: Pen) -> None:
    w, tip = p.u(0.09, 0.14), p.u(0.22, 0.32)
    p.fill(p.box(0.0, -0.76, w, 0.09, r=0.05), "b")
    p.fill(p.box(0.0, -0.62, w, 0.06), "silver")
    p.fill(p.box(0.0, -0.05, w, 0.52))
    p.fill(p.box(-w * 0.3, -0.05, w * 0.25, 0.5), "a+", line=False, flat=True)
    p.fill(p.trap(0.0, 0.46, w, 0.46 + tip, 0.01), "c")
    p.fill(p.trap(0.0, 0.46 + tip * 0.6, w * 0.4, 0.46 + tip, 0.01), "dark", line=False)


@kind("screwdriver", "red silver", "yellow silver", "any silver", "dark silver", upright=False)
def _screwdriver(p: Pen) -> None:
    w, h = p.u(0.11, 0.17), p.u(0.30, 0.40)
    p.fill(p.box(0.0, 0.25, 0.035, 0.45), "b")
    p.fill(p.trap(0.0, 0.62, 0.035, p.u(0.76, 0.86), 0.075), "b")
    p.fill(p.box(0.0, -0.45, w, h, r=0.09))
    p.fill(p.mirror().box(w * 0.5, -0.48, 0.018, h * 0.7), "a-", line=False, flat=True)
    p.fill(p.box(0.0, -0.12, w * 0.6, 0.06))


@kind("wrench", "silver", "dark", "gold", "any", upright=False)
def _wrench(p: Pen) -> None:
    r = p.u(0.20, 0.28)
    jaw = cut(p.ell(0.0, -0.58, r), p.box(0.0, -0.76, r * p.u(0.38, 0.52), 0.22))
    ring = cut(p.ell(0.0, 0.62, r * 0.8), p.ell(0.0, 0.62, r * 0.4))
    p.fill(join(cut(p.box(0.0, 0.0, p.u(0.07, 0.11), 0.5), p.ell(0.0, 0.62, r * 0.4)), jaw, ring))


@kind("saw", "silver brown", "grey red", "silver any", upright=False)
def _saw(p: Pen) -> None:
    h, low = p.u(0.20, 0.28), p.u(0.06, 0.14)
    teeth = p.y - 0.12 - 0.05 * (p.x * 42.0).sin()
    p.fill(both(p.poly((-0.85, 0.1 - low * 1.5), (0.35, -h), (0.35, 0.3), (-0.85, 0.3)), teeth))
    p.fill(cut(p.box(0.55, 0.0, p.u(0.20, 0.26), 0.26, r=0.1), p.box(0.56, 0.0, 0.09, 0.12, r=0.05)), "b")


@kind("axe", "silver brown", "grey tan", "red dark", "dark orange", upright=False)
def _axe(p: Pen) -> None:
    p.fill(p.line(0.05, -0.72, 0.05, 0.82, p.u(0.05, 0.08)), "b")
    w, h = p.u(0.36, 0.5), p.u(0.26, 0.38)
    blade = both(p.poly((0.14, -0.6), (0.14, -0.3), (-w, h - 0.45), (-w, -h - 0.45)), p.ell(0.0, -0.45, w * 0.98))
    p.fill(blade)
    p.fill(both(blade, p.left(-w * 0.7)), "a+", line=False)


@kind("shovel", "silver brown", "dark tan", "red brown", "any dark", upright=False)
def _shovel(p: Pen) -> None:
    w, h = p.u(0.20, 0.28), p.u(0.30, 0.40)
    p.fill(p.box(0.0, -0.25, 0.04, 0.55), "b")
    p.fill(cut(p.trap(0.0, -0.86, p.u(0.16, 0.22), -0.62, 0.05), p.trap(0.0, -0.80, 0.09, -0.70, 0.04)), "b")
    p.fill(both(p.ell(0.0, 0.25, w, h * 1.6), p.below(0.22)))


@kind("broom", "tan brown", "yellow any", "orange dark", "any brown", upright=False)
def _broom(p: Pen) -> None:
    w = p.u(0.26, 0.40)
    p.fill(p.line(0.0, -0.85, 0.0, 0.2, p.u(0.035, 0.055)), "b")
    head = p.trap(0.0, 0.15, p.u(0.10, 0.2), p.u(0.75, 0.86), w)
    p.fill(head)
    p.fill(both(head, ((p.x * 45.0).sin() - 0.6) * -0.05), "a-", line=False, flat=True)
    p.fill(both(head, p.box(0.0, 0.24, 1.0, 0.05)), "red")


@kind("trumpet", "gold", "silver", "yellow brown", upright=False)
def _trumpet(p: Pen) -> None:
    bell, b = p.u(0.24, 0.34), p.u(0.13, 0.18)
    p.fill(p.ring(0.0, 0.1, p.u(0.28, 0.36), b, 0.035))
    p.fill(p.line(-0.85, 0.0, 0.5, 0.0, 0.035))
    p.fill(p.at(0.62, 0.0, 90.0).trap(0.0, -0.22, bell, 0.25, 0.04))
    p.fill(p.ell(0.84, 0.0, 0.06, bell), "a-")
    p.fill(join(*(p.box(x, -0.1, 0.035, 0.16) for x in (-0.12, 0.0, 0.12))), "a+")
    p.fill(p.ell(-0.85, 0.0, 0.04, 0.08))


@kind("violin", "brown dark", "orange dark", "red black", "tan brown", upright=False)
def _violin(p: Pen) -> None:
    low, up = p.u(0.23, 0.29), p.u(0.18, 0.23)
    p.fill(p.box(0.0, -0.5, 0.04, 0.36), "b")
    p.fill(join(p.ell(0.0, -0.84, 0.055), p.mirror().box(0.08, -0.74, 0.05, 0.022)), "b")
    body = join(p.ell(0.0, 0.55, low, 0.22), p.ell(0.0, 0.12, up, 0.2), p.box(0.0, 0.32, 0.16, 0.2))
    p.fill(cut(body, p.mirror().ell(0.24, 0.33, p.u(0.08, 0.11))))
    p.fill(p.mirror().line(0.11, 0.25, 0.09, 0.42, 0.02), "b", line=False)
    p.fill(p.trap(0.0, -0.2, 0.03, 0.18, 0.05), "b")
    p.fill(p.box(0.0, 0.6, 0.05, 0.1), "b")


@kind("drum", "red cream gold", "any white silver", "blue cream gold", "brown tan dark")
def _drum(p: Pen) -> None:
    w, h = p.u(0.44, 0.60), p.u(0.22, 0.36)
    p.fill(join(p.box(0.0, 0.15, w, h), p.ell(0.0, 0.15 + h, w, 0.14)))
    m = p.mirror()
    p.fill(
        join(m.line(0.0, 0.15 - h, w * 0.5, 0.15 + h, 0.02), m.line(w * 0.5, 0.15 + h, w, 0.15 - h, 0.02)),
        "c",
        line=False,
    )
    p.fill(p.ell(0.0, 0.15 - h, w, p.u(0.13, 0.18)), "b")
    p.fill(m.line(0.12, 0.15 - h, 0.5, -0.3 - h, 0.03), "brown")


@kind("bell", "gold dark", "silver dark", "yellow red", "brown gold", upright=False)
def _bell(p: Pen) -> None:
    w, h = p.u(0.28, 0.38), p.u(0.45, 0.6)
    p.fill(p.ell(0.0, 0.52, p.u(0.08, 0.13)), "b")
    p.fill(p.ring(0.0, -h - 0.08, 0.09, None, 0.035), "b")
    p.fill(join(both(p.ell(0.0, 0.0, w, h), p.above(0.1)), p.trap(0.0, 0.0, w, 0.42, w * p.u(1.4, 1.75))))
    p.fill(p.box(0.0, 0.42, w * 1.65, 0.06, r=0.05))


@kind("camera", "dark silver", "silver black", "red dark", "brown black")
def _camera(p: Pen) -> None:
    w, h = p.u(0.54, 0.70), p.u(0.30, 0.42)
    p.fill(p.box(p.u(-0.2, 0.2), -h, 0.20, 0.13, r=0.03))
    p.fill(p.box(-w * 0.7, -h, 0.09, 0.07), "red")
    p.fill(p.box(0.0, 0.05, w, h, r=0.07))
    p.fill(p.box(0.0, 0.05 - h * 0.72, w, 0.05), "b", line=False)
    r = p.u(0.22, 0.30)
    for scale, colour in ((1.0, "b"), (0.72, "black"), (0.35, "glass")):
        p.fill(p.ell(0.0, 0.1, r * scale), colour)
    p.fill(p.box(w * 0.72, -h * 0.35, 0.08, 0.05), "yellow")


@kind("phone", "black sky", "white blue", "any glass", "dark any", upright=False)
def _phone(p: Pen) -> None:
    w, h = p.u(0.30, 0.42), p.u(0.58, 0.76)
    p.fill(p.box(0.0, 0.0, w, h, r=0.08))
    p.fill(p.box(0.0, -0.05, w * 0.84, h * p.u(0.70, 0.80)), "b")
    p.fill(p.ell(0.0, h * 0.89, 0.05), "silver")
    p.fill(p.box(0.0, -h * 0.93, 0.09, 0.015), "silver", line=False)


@kind("television", "brown glass", "dark sky", "any any", "red grey")
def _television(p: Pen) -> None:
    w, h = p.u(0.54, 0.70), p.u(0.36, 0.46)
    spread = p.u(0.16, 0.36)
    p.fill(p.mirror().line(0.0, -h + 0.1, spread, -h - 0.3, 0.02), "dark")
    p.fill(p.mirror().line(w * 0.6, 0.4, w * 0.7, 0.72, 0.04), "dark")
    p.fill(p.box(0.0, 0.1, w, h, r=0.08))
    p.fill(p.box(-0.11, 0.1, w * 0.72, h * 0.78, r=0.08), "b")
    p.fill(p.ell(w * 0.80, -0.05, 0.055), "silver")
    p.fill(p.ell(w * 0.80, 0.14, 0.055), "silver")


@kind("laptop", "silver sky", "dark blue", "any glass", "white any")
def _laptop(p: Pen) -> None:
    w, h = p.u(0.48, 0.60), p.u(0.34, 0.44)
    p.fill(p.box(0.0, 0.25 - h, w, h, r=0.04))
    p.fill(p.box(0.0, 0.25 - h, w * 0.88, h * 0.82), "b")
    p.fill(p.trap(0.0, 0.26, w, p.u(0.46, 0.66), w + p.u(0.12, 0.26)), "a-")
    p.fill(p.box(0.0, 0.36, w * 0.8, 0.045), "dark")


@kind("light bulb", "yellow silver", "cream grey", "white gold", "glass dark", upright=False)
def _light_bulb(p: Pen) -> None:
    r = p.u(0.36, 0.48)
    p.fill(join(p.ell(0.0, -0.28, r), p.trap(0.0, -0.1, r * 0.88, 0.38, p.u(0.15, 0.20))))
    p.fill(p.path([(-0.07, 0.3), (-0.13, -0.2), (0.0, -0.08), (0.13, -0.2), (0.07, 0.3)], 0.018), "orange", line=False)
    for y in (0.44, 0.56, 0.68):
        p.fill(p.box(0.0, y, 0.17, 0.055, r=0.03), "b")


@kind("candle", "cream gold", "red silver", "white brown", "any dark")
def _candle(p: Pen) -> None:
    w, top = p.u(0.11, 0.20), p.u(-0.35, 0.0)
    p.fill(p.ell(0.0, top - 0.26, 0.10, p.u(0.16, 0.22)), "orange")
    p.fill(p.ell(0.0, top - 0.22, 0.05, 0.10), "yellow", line=False)
    p.fill(p.box(0.0, top - 0.05, 0.015, 0.07), "black", line=False)
    p.fill(p.box(0.0, (top + 0.68) / 2, w, (0.68 - top) / 2))
    p.fill(p.line(w * 0.6, top + 0.05, w * 0.6, top + p.u(0.1, 0.25), 0.05), "a+")
    p.fill(p.ell(0.0, 0.68, p.u(0.30, 0.46), 0.10), "b")
    p.fill(p.ring(0.42, 0.62, 0.10, None, 0.03), "b")


@kind("table", "brown tan", "tan brown", "white silver", "dark any")
def _table(p: Pen) -> None:
    w, y, leg = p.u(0.56, 0.78), p.u(-0.20, 0.05), p.u(0.04, 0.07)
    m = p.mirror()
    p.fill(m.box(w * 0.62, (y + 0.5) / 2, leg * 0.8, (0.5 - y) / 2), "a-")
    p.fill(m.box(w * 0.88, (y + 0.68) / 2, leg, (0.68 - y) / 2))
    p.fill(p.trap(0.0, y - p.u(0.10, 0.24), w * 0.82, y, w), "b")
    p.fill(p.box(0.0, y + 0.04, w, 0.05))


@kind("bed", "brown white any", "white any red", "tan cream blue", "dark white any")
def _bed(p: Pen) -> None:
    h, foot = p.u(0.32, 0.54), p.u(0.05, 0.25)
    p.fill(p.box(-0.74, 0.5 - h, 0.06, h + 0.05))
    p.fill(p.box(0.74, 0.5 - foot, 0.06, foot + 0.05))
    p.fill(p.box(0.0, 0.36, 0.72, 0.10), "a-")
    p.fill(p.box(0.0, 0.22, 0.70, 0.11, r=0.04), "b")
    p.fill(p.ell(-0.52, 0.06, p.u(0.14, 0.20), 0.09), "b")
    p.fill(p.box(p.u(0.14, 0.26), 0.18, 0.46, 0.13, r=0.06), "c")


@kind("sofa", "any any", "red cream", "brown tan", "grey any", "green gold")
def _sofa(p: Pen) -> None:
    w, h = p.u(0.50, 0.62), p.u(0.28, 0.40)
    m = p.mirror()
    p.fill(m.box(w, 0.58, 0.05, 0.10), "dark")
    p.fill(p.box(0.0, 0.12 - h * 0.5, w, h, r=0.10))
    p.fill(m.box(w * 0.49, 0.24, w * 0.49, p.u(0.09, 0.14), r=0.05), "a+")
    p.fill(p.box(0.0, 0.42, w, 0.10))
    p.fill(m.box(w + 0.06, 0.26, p.u(0.11, 0.16), 0.27, r=0.10))
    p.fill(m.at(w * 0.6, 0.06, 20.0).box(0.0, 0.0, 0.11, 0.11, r=0.03), "b")


@kind("shirt", "any any", "white red", "blue white", "red dark", "grey yellow", upright=False)
def _shirt(p: Pen) -> None:
    w, sleeve, droop = p.u(0.32, 0.42), p.u(0.26, 0.40), p.u(0.10, 0.45)
    m = p.mirror()
    arm = m.line(w * 0.8, -0.42, w + sleeve, -0.42 + droop, 0.15)
    body = join(p.trap(0.0, -0.58, w * 0.8, 0.66, w * p.u(0.95, 1.15)), arm)
    p.fill(cut(body, p.ell(0.0, -0.60, p.u(0.13, 0.19), 0.13)))
    p.fill(both(p.trap(0.0, -0.2, w, 0.66, w), p.box(0.0, 0.0, 1.0, p.u(0.06, 0.14))), "b", line=False)


@kind("trousers", "blue brown", "dark tan", "tan brown", "any dark", "grey black", upright=False)
def _trousers(p: Pen) -> None:
    w, length, cuff = p.u(0.28, 0.38), p.u(0.62, 0.82), p.u(0.10, 0.18)
    gap = p.u(0.04, 0.14)
    leg = p.mirror().poly((-0.02, -0.5), (w * 0.95, -0.5), (gap + 2 * cuff, length), (gap, length), (-0.02, -0.15))
    p.fill(join(leg, p.box(0.0, -0.5, w, 0.20)))
    p.fill(p.box(0.0, -0.66, w, 0.06), "b")
    p.fill(p.mirror().line(w * 0.5, -0.55, w * 0.9, -0.35, 0.015), "a-", line=False)


@kind("dress", "red white", "any any", "pink cream", "blue yellow", "purple white", upright=False)
def _dress(p: Pen) -> None:
    waist, hem = p.u(0.13, 0.20), p.u(0.42, 0.64)
    p.fill(p.mirror().line(waist * 0.9, -0.5, waist * 1.1, -0.80, 0.035))
    p.fill(p.trap(0.0, -0.62, p.u(0.18, 0.26), -0.1, waist))
    p.fill(p.trap(0.0, -0.1, waist, p.u(0.50, 0.76), hem))
    p.fill(p.box(0.0, -0.1, waist + 0.02, 0.05), "b")
    p.fill(p.mirror().at(hem * 0.4, 0.35, -12.0).box(0.0, 0.0, 0.015, 0.2), "a-", line=False)
