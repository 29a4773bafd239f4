"""Draw loss curves, and scores against size or latency, as SVG.

Charts drawn from the same numbers are byte-identical.

Matplotlib draws with placeholder colors, which are then replaced by the CSS variables of the page,
so that a chart adapts to light and dark mode. Charts also use the fonts of the page.
"""

import csv
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tandem.report.views import Point

INK, FAINT, FIRST, SECOND = "#010101", "#020202", "#030303", "#040404"
COLORS = {INK: "ink", FAINT: "faint", FIRST: "accent", SECOND: "second"}

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

# Matplotlib uses the same ids in every chart. Only ids that are referred to (markers and clip
# paths) are kept, because ids must be unique on the page.
UNUSED_ID = re.compile(r' id="(?![mp][0-9a-f]{10}")[^"]*"')


def loss_chart(path: Path) -> str:
    """The loss curves of a CSV table with a column `step` and columns whose names end in `loss`.

    The result is an empty string if the table has no rows or no column whose name ends in `loss`.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in (rows[0] if rows else {}) if name.endswith("loss")]
    steps = [float(row["step"]) for row in rows]
    columns = {name: [float(row[name]) for row in rows] for name in names}

    def draw(axes: "Axes") -> None:
        for (name, values), color in zip(columns.items(), (SECOND, FIRST), strict=False):
            marker = "o" if len(steps) < 2 else None
            axes.plot(steps, values, color=color, label=name.replace("_", " "), marker=marker)
        validation = columns.get("validation_loss")
        if validation:
            best = min(range(len(steps)), key=validation.__getitem__)
            axes.plot(steps[best], validation[best], "o", color=FIRST)
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.legend(frameon=False, loc="upper right")

    return _svg(draw) if names else ""


def pareto_chart(points: Sequence["Point"], cost_label: str, score_label: str) -> str:
    """A scatter plot of score against cost.

    Points on the Pareto front are filled and connected by a step line; hollow points are dominated.
    """

    def draw(axes: "Axes") -> None:
        front = [point for point in points if point.on_front]
        axes.step(
            [point.cost for point in front],
            [point.value for point in front],
            where="post",
            color=FIRST,
            linewidth=0.9,
            linestyle="--",
        )
        for point in points:
            interval = (
                [[point.value - point.low], [point.high - point.value]]
                if point.low is not None and point.high is not None
                else None
            )
            axes.errorbar(
                [point.cost],
                [point.value],
                yerr=interval,
                fmt="o",
                color=FIRST if point.on_front else SECOND,
                markerfacecolor=FIRST if point.on_front else "none",
                elinewidth=1.0,
                capsize=3,
            )
            # The names of variants are above points on the Pareto front and below all other points,
            # so that the names of nearby points stay readable.
            offset = (7, 4 if point.on_front else -12)
            axes.annotate(
                point.variant, (point.cost, point.value), offset, textcoords="offset points"
            )
        axes.set_xlim(0, 1.25 * max(point.cost for point in points))
        axes.set_xlabel(cost_label)
        axes.set_ylabel(score_label)

    return _svg(draw) if points else ""


def _svg(draw: Callable[["Axes"], None]) -> str:
    """The inline SVG of the chart that `draw` draws on the axes passed to it."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # Start from Matplotlib's defaults, so that the user's matplotlibrc does not change the SVG.
    settings: dict[Any, Any] = {**mpl.rcParamsDefault, **SETTINGS}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(4.4, 2.7), layout="constrained")
        draw(figure.add_subplot())
        stream = io.StringIO()
        no_metadata: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(stream, metadata=no_metadata)
    return _use_page_colors("\n".join(stream.getvalue().splitlines()))


def _use_page_colors(text: str) -> str:
    """Matplotlib's SVG without prologue, unused ids or background, in the colors of the page."""
    text = UNUSED_ID.sub("", text[text.index("<svg") :])
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"(<svg) [^>]*?(viewBox=\"[^\"]*\")[^>]*>", r'\1 \2 aria-hidden="true">', text)
    text = text.replace("fill: #ffffff", "fill: none")
    for marker, name in COLORS.items():
        text = text.replace(marker, f"var(--{name})")
    return text
