"""Loss curves, and scores against what they cost, as SVG: the same numbers give the same bytes.

Matplotlib draws with marker colours, which become the page's own, so that a chart follows light
and dark; fonts are the page's too.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, FAINT, FIRST, SECOND = "#010101", "#020202", "#030303", "#040404"
COLOURS = {INK: "ink", FAINT: "faint", FIRST: "accent", SECOND: "second"}

SETTINGS: dict[str, Any] = {
    "text.parse_math": False,
    "svg.hashsalt": "tandem",
    "svg.fonttype": "none",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
}

# Ids of parts are alike in every chart of the page; only those that are referred to are needed.
ID = re.compile(r' id="(?![mp][0-9a-f]{10}")[^"]*"')


def losses(path: Path) -> str:
    """The loss curves in a CSV table with `step` and columns named …loss; empty if it has none."""
    with path.open(newline="", encoding="utf-8") as file:
        looks = list(csv.DictReader(file))
    names = [name for name in (looks[0] if looks else {}) if name.endswith("loss")]
    steps = [float(look["step"]) for look in looks]
    columns = {name: [float(look[name]) for look in looks] for name in names}

    def draw(axes: "Axes") -> None:
        for (name, values), colour in zip(columns.items(), (SECOND, FIRST), strict=False):
            marker = "o" if len(steps) < 2 else None
            axes.plot(steps, values, color=colour, label=name.replace("_", " "), marker=marker)
        validation = columns.get("validation_loss")
        if validation:
            best = min(range(len(steps)), key=validation.__getitem__)
            axes.plot(steps[best], validation[best], "o", color=FIRST)
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.legend(frameon=False, loc="upper right")

    return _svg(draw) if names else ""


def pareto_chart(points: Sequence[Any], cost: str, title: str) -> str:
    """Score against cost: `points` have `name`, `cost`, `value`, `low`, `high`, `front`.

    The Pareto front is filled and joined by steps: what lies beside it costs more for no more.
    """

    def draw(axes: "Axes") -> None:
        front = [point for point in points if point.front]
        axes.step(
            [point.cost for point in front],
            [point.value for point in front],
            where="post",
            color=FIRST,
            linewidth=0.9,
            linestyle="--",
        )
        for point in points:
            ends = [[point.value - point.low], [point.high - point.value]] if point.low else None
            axes.errorbar(
                [point.cost],
                [point.value],
                yerr=ends,
                fmt="o",
                color=FIRST if point.front else SECOND,
                markerfacecolor=FIRST if point.front else "none",
                elinewidth=1.0,
                capsize=3,
            )
            # above the front, below what it beats: near ones are told apart
            offset = (7, 4 if point.front else -12)
            axes.annotate(point.name, (point.cost, point.value), offset, textcoords="offset points")
        axes.set_xlim(0, 1.25 * max(point.cost for point in points))
        axes.set_xlabel(cost)
        axes.set_ylabel(title)

    return _svg(draw) if points else ""


def _svg(draw: Any) -> str:
    """An inline SVG that `draw` filled."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {**mpl.rcParamsDefault, **SETTINGS}  # whatever the user's own say
    with mpl.rc_context(settings):
        figure = Figure(figsize=(4.4, 2.7), layout="constrained")
        draw(figure.add_subplot())
        stream = io.StringIO()
        bare: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(stream, metadata=bare)
    return _use_page_colors(stream.getvalue().splitlines())


def _use_page_colors(lines: Iterable[str]) -> str:
    """What stands between prologue and end, without ids and background, in the page's colours."""
    text = "\n".join(lines)
    text = ID.sub("", text[text.index("<svg") :])
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"(<svg) [^>]*?(viewBox=\"[^\"]*\")[^>]*>", r'\1 \2 aria-hidden="true">', text)
    text = text.replace("fill: #ffffff", "fill: none")
    for marker, name in COLOURS.items():
        text = text.replace(marker, f"var(--{name})")
    return text
