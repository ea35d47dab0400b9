# SPDX-License-Identifier: Apache-2.0
"""Bar charts as SVG, written by hand: what the plot falls back to without matplotlib."""

from html import escape

WIDTH, HEIGHT, MARGIN, TOP = 620, 330, 55, 50


def _text(x, y, words, size=12, anchor="middle"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1, y1, x2, y2, colour="#000", width=1.0):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def _step(top):
    """A round distance of grid lines, about five to the axis."""
    power = 1e-9
    while power * 10 <= top / 5:
        power *= 10
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= top / 5)


def _panel(panel, left, top, colours):
    highest = max((v[2] for values in panel["bars"].values() for v in values if v), default=1) * 1.08
    highest = max(highest, (panel["line"] or 0) * 1.2, 1e-9)
    width, height = WIDTH - MARGIN - 15, HEIGHT - 110
    base, start = top + 30 + height, left + MARGIN

    def y(value):
        return base - height * value / highest

    out = [_text(left + WIDTH / 2, top + 15, panel["title"], 14)]
    step, mark = _step(highest), 0.0
    while mark <= highest:
        out += [_line(start, y(mark), start + width, y(mark), "#ddd"), _text(start - 5, y(mark) + 4, f"{mark:.4g}", 10, "end")]
        mark += step
    group = width / len(panel["groups"])
    bar = group * 0.8 / len(panel["bars"])
    for number, (name, values) in enumerate(panel["bars"].items()):
        colour = colours.get(name, "#444")
        for at, value in enumerate(values):
            if value:
                x = start + at * group + group * 0.1 + number * bar
                middle = x + bar / 2
                out.append(f'<rect x="{x:.1f}" y="{y(value[0]):.1f}" width="{bar * 0.94:.1f}" height="{base - y(value[0]):.1f}" fill="{colour}"/>')
                out.append(_line(middle, y(value[1]), middle, y(value[2])))
        legend = start + number * 95
        out.append(f'<rect x="{legend:.1f}" y="{base + 40:.1f}" width="10" height="10" fill="{colour}"/>')
        out.append(_text(legend + 14, base + 49, name, 11, "start"))
    for at, label in enumerate(panel["groups"]):
        out.append(_text(start + (at + 0.5) * group, base + 16, label))
    out.append(_text(start + width / 2, base + 32, f"clients; {panel['unit']}", 10))
    if panel["line"]:
        out.append(_line(start, y(panel["line"]), start + width, y(panel["line"])))
    return out


def draw(title, panels, colours):
    rows = (len(panels) + 1) // 2
    width, height = 2 * WIDTH, TOP + rows * HEIGHT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif">']
    out += [f'<rect width="{width}" height="{height}" fill="white"/>', _text(WIDTH, 28, title, 16)]
    for number, panel in enumerate(panels):
        out += _panel(panel, (number % 2) * WIDTH, TOP + (number // 2) * HEIGHT, colours)
    return "\n".join(out + ["</svg>"]) + "\n"
