"""Draws the panels of the dashboard as one SVG, from what Prometheus returns for their own queries."""

from xml.sax.saxutils import escape

COLOURS = ["#2f6fb3", "#c4562b", "#3a8f5c", "#8a5bb5", "#b5892b", "#4f8f99", "#a33a5a", "#6b7280"]
WIDTH, HEIGHT, COLUMNS = 460, 236, 2
LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT = 52, 34, 390, 128
UNITS = {"reqps": "/s", "ms": " ms", "s": " s", "percentunit": " %", "short": ""}


def draw(panels, begin, end):
    """The picture. `panels` has a title, a unit and lines each; a line has a legend and points (time, value)."""
    rows = (len(panels) + COLUMNS - 1) // COLUMNS
    size = (COLUMNS * WIDTH, rows * HEIGHT)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" height="{size[1]}" role="img" font-family="system-ui, sans-serif" font-size="11">',
        "<title>The dashboard's panels, drawn from Prometheus</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for number, panel in enumerate(panels):
        x, y = number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT
        out += [f'<g transform="translate({x} {y})">', *one(panel, begin, end), "</g>"]
    return "\n".join([*out, "</svg>", ""])


def one(panel, begin, end):
    scale = 100 if panel["unit"] == "percentunit" else 1
    values = [value * scale for _, points in panel["lines"] for _, value in points]
    top = rounded(max(values, default=1) or 1)
    place = lambda at, value: (LEFT + (at - begin) / (end - begin) * PLOT_WIDTH, TOP + PLOT_HEIGHT * (1 - value * scale / top))
    yield f'<text x="12" y="20" font-size="13" font-weight="600" fill="#1f2933">{escape(panel["title"])}</text>'
    for part in (0, 0.5, 1):
        at = TOP + PLOT_HEIGHT * (1 - part)
        yield f'<line x1="{LEFT}" x2="{LEFT + PLOT_WIDTH}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e2e6ea"/>'
        yield f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end" fill="#52606d">{top * part:g}{UNITS[panel["unit"]]}</text>'
    column, row = 0, 0
    for number, (legend, points) in enumerate(panel["lines"]):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        length = 7 * len(legend) + 24
        if column and column + length > PLOT_WIDTH:
            column, row = 0, row + 1
        at = LEFT + column, TOP + PLOT_HEIGHT + 20 + 14 * row
        yield f'<rect x="{at[0]}" y="{at[1] - 8}" width="9" height="9" fill="{colour}"/><text x="{at[0] + 13}" y="{at[1]}" fill="#1f2933">{escape(legend)}</text>'
        column += length


def rounded(value):
    """The next number of one digit."""
    power = 10 ** (len(str(int(value))) - 1) if value >= 1 else 0.1 if value >= 0.1 else 0.01
    return power * next(step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15) if power * step >= value)
