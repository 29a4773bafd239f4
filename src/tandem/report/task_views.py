"""Collect everything that the HTML report and the cards show about a task, including charts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tandem.report import charts, scores, views
from tandem.report.scores import Metrics, Score
from tandem.report.views import View

PLOTS = Path("reports/plots")
COSTS = {"size": "weights, MB", "latency": "milliseconds per text, without batching"}


def view(
    task: str,
    all_scores: Sequence[Score],
    metrics: Metrics,
    speeds: Mapping[tuple[str, str], Any],
) -> View:
    """Everything that the HTML report and the cards show about a task, including its charts."""
    without_charts = views.view(task, all_scores, metrics, speeds)
    curves = sorted(PLOTS.glob(f"*/{task}.csv"), key=_curve_order)
    drawn = {path.parent.name: charts.loss_chart(path) for path in curves}
    for cost, points in without_charts.pareto_points.items():
        title = without_charts.panels[0].label.title
        drawn[cost] = charts.pareto_chart(points, COSTS[cost], title)
    return views.with_charts(without_charts, {name: svg for name, svg in drawn.items() if svg})


def _curve_order(path: Path) -> tuple[bool, bool, str]:
    """Sort key of a loss curve: stage `train` first, then `reward`, then other stages by name."""
    stage = path.parent.name
    return (stage != scores.TRAIN, stage != scores.REWARD, stage)
