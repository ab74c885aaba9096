"""Things people make: 25 of the 40 classes of the benchmark."""

from __future__ import annotations

from benchmarks.mini.canvas import Number, Pen, both, cut, join, kind


@kind("mug", "any any white", "white any any", "any white any")
def _mug(p: Pen) -> None:
    w, h, handle = p.u(0.30, 0.48), p.u(0.40, 0.58), p.u(0.20, 0.32)
    p.fill(p.ring(w, 0.0, handle, handle * 1.1, p.u(0.05, 0.09)))
    p.fill(p.trap(0.0, -h, w, h, w * p.u(0.75, 1.0)))
    p.fill(both(p.trap(0.0, -h, w, h, w), p.box(0.0, 0.1, 1.0, p.u(0.05, 0.16))), "b", line=False, flat=True)
    p.fill(p.ell(0.0, -h, w, 0.09), "brown")


@kind("teapot", "any any", "white any", "brown tan", "silver dark")
def _teapot(p: Pen) -> None:
    w, h = p.u(0.38, 0.52), p.u(0.32, 0.46)
    p.fill(p.ring(w + 0.03, 0.0, 0.20, h * 0.65, p.u(0.04, 0.07)))
    p.fill(p.line(-w * 0.6, 0.15, -w - p.u(0.22, 0.34), -0.30, 0.13, 0.05))
    p.fill(p.ell(0.0, 0.05, w, h))
    p.fill(p.box(0.0, h + 0.02, w * 0.5, 0.05), "a-")
    p.fill(p.ell(0.0, 0.08 - h, w * 0.55, 0.09), "b")
    p.fill(p.ell(0.0, -0.06 - h, p.u(0.05, 0.10)), "b")


@kind("house", "cream red brown", "white blue dark", "any any brown", "red dark white", "tan grey any")
def _house(p: Pen) -> None:
    w, h, roof = p.u(0.42, 0.62), p.u(0.22, 0.40), p.u(0.28, 0.52)
    side = p.u(0.25, 0.42)
    p.fill(p.box(side, 0.2 - h - roof * 0.75, 0.075, 0.26), "c")
    p.fill(p.box(0.0, 0.2, w, h))
    p.fill(p.trap(0.0, 0.2 - h - roof, p.u(0.0, 0.30), 0.2 - h, w + 0.12), "b")
    p.fill(p.box(-w * 0.45, 0.2 + h - 0.19, 0.10, 0.19), "c")
    p.fill(p.box(w * 0.42, 0.2, 0.13, 0.12), "glass")
    p.fill(p.box(w * 0.42, 0.2, 0.015, 0.12), "c", line=False)


@kind("guitar", "orange brown", "red dark", "tan brown", "black cream", "any brown", upright=False)
def _guitar(p: Pen) -> None:
    low, up, waist = p.u(0.28, 0.38), p.u(0.20, 0.29), p.u(0.12, 0.22)
    p.fill(p.box(0.0, -0.45, 0.055, 0.45), "b")
    p.fill(p.box(0.0, -0.85, p.u(0.08, 0.12), 0.10, r=0.03), "b")
    p.fill(join(p.ell(0.0, 0.48, low, 0.28), p.ell(0.0, 0.12, up, 0.20), p.box(0.0, 0.28, waist, 0.2)))
    p.fill(p.ell(0.0, 0.24, p.u(0.08, 0.12)), "black")
    p.fill(p.box(0.0, 0.56, 0.13, 0.03), "b")
    p.fill(p.box(0.0, -0.15, 0.012, 0.7), "cream", line=False, flat=True)


@kind("car", "any glass", "red glass", "white glass", "dark glass", "blue glass")
def _car(p: Pen) -> None:
    w, cabin, h = p.u(0.62, 0.80), p.u(0.28, 0.42), p.u(0.13, 0.20)
    top = p.u(0.20, 0.34)
    p.fill(p.trap(p.u(-0.05, 0.15), -top - h + 0.1, cabin * 0.7, 0.1, cabin + 0.1))
    p.fill(p.trap(0.05, -top - h + 0.17, cabin * 0.62, 0.0, cabin * 0.9), "b")
    p.fill(p.box(0.05, -0.1, 0.03, top), "a", line=False)
    p.fill(p.box(0.0, 0.12, w, h, r=0.10))
    for x in (-0.42, 0.42):
        p.fill(p.ell(x, 0.15 + h, 0.16), "black")
        p.fill(p.ell(x, 0.15 + h, 0.07), "silver")
    p.fill(p.ell(-w + 0.06, 0.06, 0.05), "yellow")


@kind("key", "gold", "silver", "dark", "any", "brown", upright=False)
def _key(p: Pen) -> None:
    bow, teeth = p.u(0.20, 0.32), p.u(0.12, 0.22)
    p.fill(p.box(0.15, 0.0, 0.60, p.u(0.05, 0.085)))
    p.fill(p.box(0.68, teeth * 0.6, 0.055, teeth * 0.7))
    p.fill(p.box(p.u(0.42, 0.54), teeth * 0.5, 0.05, teeth * 0.6))
    p.fill(cut(p.ell(-0.48, 0.0, bow, bow * p.u(0.85, 1.15)), p.ell(-0.48, 0.0, bow * p.u(0.40, 0.6))))


@kind(
    "umbrella", "any any brown", "red white dark", "blue sky dark", "dark dark brown", "yellow red brown", upright=False
)
def _umbrella(p: Pen) -> None:
    w, h = p.u(0.60, 0.82), p.u(0.42, 0.66)
    p.fill(p.box(0.0, 0.22, 0.028, 0.45), "c")
    p.fill(both(p.ring(0.13, 0.66, 0.13, None, 0.035), p.below(0.66)), "c")
    scallop = p.x * (4.5 / w) * 0.5
    edge = p.y - 0.10 * (scallop * 3.1416).sin().abs()
    canopy = both(p.ell(0.0, 0.06, w, h), edge)
    p.fill(canopy)
    p.fill(both(canopy, p.ell(0.0, 0.06, w * p.u(0.3, 0.45), h * 1.1)), "b")
    p.fill(p.box(0.0, -h + 0.02, 0.025, 0.08), "c")


@kind(
    "ice cream",
    "pink brown tan",
    "cream pink tan",
    "any any tan",
    "brown cream orange",
    "lime white tan",
    upright=False,
)
def _ice_cream(p: Pen) -> None:
    r, cone = p.u(0.26, 0.36), p.u(0.55, 0.80)
    p.fill(p.trap(0.0, 0.0, r * 0.95, cone, 0.02), "c")
    net = ((p.x + p.y * 0.6) * 22).sin() * ((p.x - p.y * 0.6) * 22).sin()
    p.fill(both(p.trap(0.0, 0.0, r * 0.9, cone, 0.02), 0.06 * (net + 0.6)), "c-", line=False, flat=True)
    p.fill(p.ell(0.0, -0.12 - r * p.u(0.6, 1.2), r * 0.85), "b")
    p.fill(join(p.ell(0.0, -0.10, r), p.ell(-r * 0.7, 0.02, 0.12), p.ell(r * 0.7, 0.04, 0.12), p.ell(0.0, 0.08, 0.12)))
    p.fill(p.ell(0.05, -0.32 - r * 1.25, 0.07), "red")


@kind("cake", "pink cream red", "brown cream white", "white tan any", "any white any")
def _cake(p: Pen) -> None:
    w, h = p.u(0.48, 0.66), p.u(0.18, 0.27)
    m = p.mirror()
    for x in (0.0, 0.26):
        p.fill(m.box(x, -h - 0.18, 0.04, p.u(0.12, 0.18)), "c")
        p.fill(m.ell(x, -h - 0.38, 0.045, 0.08), "yellow")
    p.fill(p.box(0.0, 0.22, w, h + 0.1, r=0.05), "b")
    p.fill(p.box(0.0, 0.24, w, p.u(0.04, 0.09)), "a", line=False)
    drip = p.y - (0.10 - h + 0.10 * (p.x * 15.0).sin())
    p.fill(both(p.box(0.0, 0.08 - h * 0.5, w + 0.02, h * 0.9, r=0.04), drip))
    p.fill(p.box(0.0, 0.38 + h, w + 0.16, 0.045), "silver")


@kind("bottle", "green cream", "brown white", "glass any", "teal tan", "any any", upright=False)
def _bottle(p: Pen) -> None:
    w, neck, shoulder = p.u(0.19, 0.30), p.u(0.065, 0.10), p.u(-0.28, -0.02)
    p.fill(p.box(0.0, -0.78, neck * 1.15, 0.07), "dark")
    p.fill(join(p.box(0.0, -0.4, neck, 0.40), p.trap(0.0, shoulder - 0.2, neck, shoulder, w),
                p.box(0.0, (shoulder + 0.8) / 2 - 0.01, w, (0.82 - shoulder) / 2)))  # fmt: skip
    p.fill(p.box(0.0, p.u(0.28, 0.42), w, p.u(0.14, 0.24)), "b")
    p.fill(p.box(-w * 0.6, 0.2, 0.025, 0.5), "a+", line=False, flat=True)


@kind("wine glass", "glass red", "glass yellow", "silver red", "glass any", "glass purple", upright=False)
def _wine_glass(p: Pen) -> None:
    w, h, foot = p.u(0.27, 0.40), p.u(0.50, 0.66), p.u(0.24, 0.36)
    p.fill(p.box(0.0, 0.45, 0.03, 0.35))
    p.fill(p.ell(0.0, 0.80, foot, 0.06))
    bowl = both(p.ell(0.0, -0.45, w, h), p.below(-0.55))
    p.fill(bowl)
    p.fill(both(p.ell(0.0, -0.45, w * 0.86, h * 0.90), p.below(p.u(-0.42, -0.15))), "b")
    p.fill(p.ell(0.0, -0.55, w, 0.06), "a+")


@kind("lamp", "cream brown", "any gold", "yellow dark", "any any", "white silver")
def _lamp(p: Pen) -> None:
    top, low, h = p.u(0.14, 0.32), p.u(0.40, 0.60), p.u(0.20, 0.32)
    p.fill(p.box(0.0, 0.25, p.u(0.035, 0.07), 0.55), "b")
    bulge = p.u(0.06, 0.20)
    p.fill(p.ell(0.0, 0.32, bulge, 0.22), "b")
    p.fill(both(p.ell(0.0, 0.82, p.u(0.22, 0.34), 0.12), p.above(0.82)), "b")
    p.fill(p.trap(0.0, -0.45 - h, top, -0.35 + h, low))
    p.fill(p.box(0.0, -0.39 + h, low * 0.97, 0.035), "a-", line=False)


@kind("chair", "brown any", "tan tan", "dark any", "any brown", "red dark")
def _chair(p: Pen) -> None:
    w, seat, leg = p.u(0.28, 0.40), p.u(0.05, 0.2), p.u(0.035, 0.06)
    back = p.u(0.5, 0.75)
    p.fill(p.line(w * 0.5, seat, w * 0.8, 0.66, leg * 0.8), "a-")
    p.fill(p.line(-w * 0.8, seat, -w * 0.5, 0.66, leg * 0.8), "a-")
    p.fill(join(p.line(-w, seat, -w, 0.82, leg), p.line(w + 0.08, seat, w + 0.1, 0.8, leg)))
    posts = join(p.line(-w, seat, -w - 0.03, seat - back, leg), p.line(w * 0.7, seat, w * 0.7, seat - back, leg))
    p.fill(posts)
    p.fill(
        join(p.box(-w * 0.15, seat - back + 0.08, w * 0.85, 0.07), p.box(-w * 0.15, seat - back * 0.5, w * 0.8, 0.05)),
        "a",
    )
    p.fill(
        p.poly((-w - 0.05, seat - 0.02), (w * 0.75, seat - 0.02), (w + 0.16, seat + 0.14), (-w - 0.05, seat + 0.14)),
        "b",
    )


@kind("clock", "white red dark", "any dark white", "gold white dark", "cream brown dark", upright=False)
def _clock(p: Pen) -> None:
    r = p.u(0.42, 0.56)
    m = p.mirror()
    p.fill(m.ell(0.34, -r * 0.9, p.u(0.14, 0.20), 0.12, 35.0), "b")
    p.fill(m.line(0.3, r * 0.6, 0.42, r + 0.26, 0.05), "b")
    p.fill(p.ell(0.0, 0.06, r), "b")
    p.fill(p.ell(0.0, 0.06, r * p.u(0.74, 0.86)), "cream")
    p.fill(p.at(0.0, 0.06).spin(12).box(0.0, -r * 0.66, 0.018, 0.035), "dark", line=False, flat=True)
    p.fill(p.at(0.0, 0.06, p.u(0.0, 360.0)).line(0.0, 0.0, 0.0, -r * 0.52, 0.03), "dark")
    p.fill(p.at(0.0, 0.06, p.u(0.0, 360.0)).line(0.0, 0.0, 0.0, -r * 0.34, 0.04), "dark")


@kind("scissors", "silver red", "silver any", "grey dark", "silver blue", "silver orange", upright=False)
def _scissors(p: Pen) -> None:
    half, loop = p.u(9.0, 26.0), p.u(0.15, 0.21)
    length = p.u(0.62, 0.85)
    for sign in (-1.0, 1.0):
        q = p.at(0.0, 0.05, half * sign)
        p.fill(q.trap(0.01, -length, 0.015, 0.12, 0.075))
        q = p.at(0.0, 0.05, half * sign)
        p.fill(q.line(0.0, 0.05, 0.02 * sign, 0.34, 0.05), "b")
        p.fill(q.ring(-0.04 * sign, 0.50, loop * 0.85, loop, 0.05), "b")
    p.fill(p.ell(0.0, 0.05, 0.04), "dark")


@kind("hammer", "silver brown", "dark tan", "grey any", "silver orange", "dark red", upright=False)
def _hammer(p: Pen) -> None:
    w, grip = p.u(0.05, 0.09), p.u(0.55, 0.82)
    p.fill(p.line(0.0, -0.4, 0.0, grip, w), "b")
    p.fill(p.box(0.0, -0.45, 0.26, p.u(0.10, 0.15)))
    p.fill(p.box(-0.34, -0.45, 0.10, p.u(0.14, 0.20)))
    p.fill(p.at(0.24, -0.45, p.u(0.0, 20.0)).poly((0.0, -0.12), (p.u(0.24, 0.38), 0.06), (0.3, 0.12), (0.0, 0.1)))


@kind("sailboat", "white brown any", "red tan white", "any any white", "cream blue red", "sky dark orange")
def _sailboat(p: Pen) -> None:
    w, mast = p.u(0.46, 0.66), p.u(0.60, 0.80)
    p.fill(p.box(0.0, -0.15, 0.03, mast - 0.1), "brown")
    p.fill(p.poly((0.05, -mast), (p.u(0.40, 0.60), 0.26), (0.05, 0.26)))
    p.fill(p.poly((-0.05, -mast * p.u(0.6, 0.95)), (-0.05, 0.26), (p.u(-0.5, -0.3), 0.26)), "c")
    p.fill(p.trap(0.0, 0.36, w, p.u(0.58, 0.72), w * p.u(0.55, 0.8)), "b")


@kind("rocket", "white red sky", "silver blue glass", "any any glass", "red yellow sky", upright=False)
def _rocket(p: Pen) -> None:
    w, h = p.u(0.18, 0.28), p.u(0.56, 0.72)
    m = p.mirror()
    p.fill(join(p.trap(0.0, 0.42, w * 0.7, p.u(0.75, 0.95), 0.0)), "orange")
    p.fill(p.trap(0.0, 0.42, w * 0.4, 0.70, 0.0), "yellow", line=False)
    p.fill(m.poly((w * 0.7, 0.05), (w + p.u(0.12, 0.26), 0.52), (w * 0.6, 0.45)), "b")
    body = both(p.ell(0.0, 0.0, w, h), p.above(0.45))
    p.fill(body)
    p.fill(both(body, p.above(p.u(-0.42, -0.28))), "b")
    p.fill(p.ell(0.0, -0.12, p.u(0.08, 0.12)), "c")


@kind("airplane", "white blue", "silver red", "any any", "sky white", "grey orange", upright=False)
def _airplane(p: Pen) -> None:
    w, span, sweep = p.u(0.08, 0.13), p.u(0.60, 0.85), p.u(0.10, 0.38)
    m = p.mirror()
    chord = p.u(0.20, 0.32)
    p.fill(m.poly((0.0, -0.15), (span, sweep), (span, sweep + 0.12), (0.0, -0.15 + chord + 0.08)), "b")
    tail = p.u(0.22, 0.34)
    p.fill(m.poly((0.0, 0.52), (tail, 0.66), (tail, 0.76), (0.0, 0.72)), "b")
    p.fill(m.ell(span * 0.45, sweep * 0.45 - 0.02, 0.05, 0.10), "a-")
    p.fill(p.ell(0.0, 0.0, w, 0.82))
    p.fill(p.ell(0.0, -0.58, w * 0.6, 0.07), "dark")


@kind("bicycle", "red dark", "blue dark", "any black", "dark brown", "lime dark")
def _bicycle(p: Pen) -> None:
    r, base, w = p.u(0.25, 0.33), p.u(0.38, 0.48), p.u(0.025, 0.04)
    m = p.mirror()
    p.fill(m.ring(base, 0.28, r, None, 0.035), "b")
    p.fill(
        join(m.line(base, 0.28 - r, base, 0.28 + r, 0.007), m.line(base - r, 0.28, base + r, 0.28, 0.007)),
        "grey",
        line=False,
    )
    seat, bar = p.u(-0.25, -0.12), p.u(-0.40, -0.22)
    frame: list[tuple[Number, Number]] = [
        (-base, 0.28),
        (-0.2, seat + 0.1),
        (0.0, 0.32),
        (-base, 0.28),
        (0.0, 0.32),
        (0.28, -0.1),
        (-0.18, seat + 0.18),
    ]
    p.fill(p.path(frame, w))
    p.fill(p.path([(base, 0.28), (0.28, -0.1), (0.26, bar), (0.42, bar - 0.04)], w))
    p.fill(p.line(-0.32, seat, -0.10, seat, 0.045), "b")


@kind("hat", "dark red", "tan brown", "any any", "brown cream", "grey dark", "cream any", upright=False)
def _hat(p: Pen) -> None:
    w, h, brim = p.u(0.30, 0.42), p.u(0.20, 0.36), p.u(0.60, 0.82)
    p.fill(p.ell(0.0, 0.30, brim, p.u(0.08, 0.15)))
    crown = p.trap(0.0, 0.05 - h, w * p.u(0.65, 1.1), 0.32, w)
    p.fill(join(crown, p.ell(0.0, 0.05 - h, w * 0.68, 0.09)))
    p.fill(both(p.box(0.0, 0.20, 1.0, p.u(0.05, 0.10)), crown), "b")


@kind("boot", "brown dark", "black tan", "any white", "red dark", "tan brown", "yellow dark")
def _boot(p: Pen) -> None:
    w, top, toe = p.u(0.18, 0.27), p.u(-0.75, -0.40), p.u(0.26, 0.44)
    x = -0.2
    p.fill(
        join(
            p.box(x, (top + 0.45) / 2, w, (0.45 - top) / 2, r=0.04), p.box(x + toe / 2, 0.38, w + toe / 2, 0.20, r=0.15)
        )
    )
    p.fill(p.box(x + toe / 2, 0.62, w + toe / 2 + 0.03, p.u(0.05, 0.09)), "b")
    p.fill(p.box(x - w * 0.65, 0.72, w * 0.35, p.u(0.05, 0.14)), "b")
    p.fill(p.box(x, top + 0.06, w + 0.03, 0.08, r=0.03), "a-")
    p.fill(join(*(p.box(x + w * 0.6, y, 0.10, 0.018) for y in (-0.18, -0.04, 0.10))), "b", line=False, flat=True)


@kind("lighthouse", "white red dark", "white blue dark", "cream any brown", "white dark red")
def _lighthouse(p: Pen) -> None:
    w, base = p.u(0.14, 0.21), p.u(0.24, 0.34)
    p.fill(p.ell(0.0, 0.88, p.u(0.5, 0.75), 0.22), "grey")
    tower = p.trap(0.0, -0.42, w, 0.80, base)
    p.fill(tower)
    for y in (-0.22, 0.16, 0.54):
        p.fill(both(tower, p.box(0.0, y, 1.0, 0.10)), "b", line=False, flat=True)
    p.fill(p.box(0.0, -0.45, w + 0.09, 0.04), "c")
    p.fill(p.box(0.0, -0.58, w * 0.72, 0.11), "yellow")
    p.fill(p.trap(0.0, -0.69 - p.u(0.14, 0.24), 0.0, -0.68, w), "b")


@kind("balloon", "red yellow", "any any", "blue white", "orange purple", "sky red")
def _balloon(p: Pen) -> None:
    r, y = p.u(0.46, 0.60), -0.25
    low = p.u(0.14, 0.20)
    p.fill(p.mirror().line(low * 0.8, 0.55, r * 0.45, 0.12, 0.014), "dark", line=False)
    p.fill(p.box(0.0, 0.68, p.u(0.10, 0.16), p.u(0.09, 0.13), r=0.02), "brown")
    shape = join(p.ell(0.0, y, r, r * p.u(0.95, 1.1)), p.trap(0.0, y + r * 0.55, r * 0.84, 0.50, low))
    p.fill(shape)
    p.fill(both(shape, p.ell(0.0, y, r * 0.42, 0.85)), "b", flat=True)
    p.fill(both(shape, p.ell(0.0, y, r * 0.14, 0.85)), "a", flat=True)


@kind("castle", "grey dark red", "tan brown blue", "silver grey any", "pink purple yellow")
def _castle(p: Pen) -> None:
    w, tower, h = p.u(0.42, 0.54), p.u(0.13, 0.19), p.u(0.25, 0.45)
    m = p.mirror()
    p.fill(m.trap(w, -h - p.u(0.24, 0.42), 0.0, -h, tower + 0.06), "c")
    p.fill(p.box(0.0, 0.3, w, 0.45))
    p.fill(cut(p.box(0.0, -0.2, w, 0.10), m.box(0.1, -0.25, 0.045, 0.08), m.box(0.28, -0.25, 0.045, 0.08)))
    p.fill(m.box(w, (0.75 - h) / 2, tower, (0.75 + h) / 2))
    p.fill(m.box(w, -h * 0.3, 0.03, 0.09), "b")
    gate = p.u(0.11, 0.18)
    p.fill(join(p.box(0.0, 0.58, gate, 0.17), p.ell(0.0, 0.42, gate)), "b")
