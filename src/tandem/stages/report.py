"""Build the summary, the HTML page and the cards.

They contain metrics that are already recorded; nothing is measured here.

Reads   reports/details/**.json, reports/plots/**.csv, benchmarks/latency.json; the params
        `augmentation_ablation`, `methods`, `preferences`, `runtime`, `seeds` and `tasks`
Writes  reports/summary.json      a list of {task, variant, metric, value, low, high, n, seed},
                                  which `dvc plots show` draws with .dvc/plots/scores.json
        reports/html/index.html   the page, one file
        reports/cards/            data-TASK.md, and TASK-VARIANT.md for each scored model

    tandem report
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tandem.core import io, params, paths, wording
from tandem.core.errors import StageError
from tandem.report import charts, latency, render, scores, views
from tandem.report.scores import Metrics, Score
from tandem.report.views import View

PLOTS = Path("reports/plots")
LATENCY = Path("benchmarks/latency.json")
COSTS = {"size": "weights, MB", "latency": "milliseconds per text, one at a time"}
SUMMARY, HTML, CARDS = Path("reports/summary.json"), Path("reports/html"), Path("reports/cards")


def main() -> str:
    """Write the summary, the page and the cards.

    Raises:
        StageError: there are no metrics yet, or benchmarks/latency.json does not have the form
            that the benchmark writes.
    """
    project = params.project()
    metrics = scores.load(paths.DETAILS, project)
    stage_scores = scores.gather(metrics, project)
    if not stage_scores:
        raise StageError(f"{paths.DETAILS} has no scores: run `dvc repro` or `snakemake` first")

    # The summary has only values measured by stages, so that an audit can trace them. The page also
    # has those measured by the benchmark.
    latencies = latency.load(LATENCY)
    speeds = latency.speeds(latencies, metrics, project.tasks)
    all_metrics = latency.with_graphs(metrics, latencies, project.tasks)
    all_scores = scores.gather(all_metrics, project)
    shown = [view(task, all_scores, all_metrics, speeds) for task in project.tasks]

    with io.atomic_outputs(SUMMARY, HTML, CARDS) as (summary, html, cards):
        io.write_json(summary, scores.summary(stage_scores))
        io.write_text(html / "index.html", render.page(shown, latencies.machine))
        texts = render_cards(shown, metrics)
        for name, text in sorted(texts.items()):
            io.write_text(cards / name, text)
    size = f"{wording.counted(len(stage_scores), 'score')} of {wording.counted(len(shown), 'task')}"
    number = wording.counted(len(texts), "card")
    return f"{size}; written to {SUMMARY}, {HTML / 'index.html'} and {CARDS} ({number})"


def view(
    task: str,
    all_scores: Sequence[Score],
    metrics: Metrics,
    speeds: Mapping[tuple[str, str], Any],
) -> View:
    """The data that the page shows about a task, with its charts."""
    without_charts = views.view(task, all_scores, metrics, speeds)
    curves = sorted(PLOTS.glob(f"*/{task}.csv"), key=_curve_order)
    drawn = {path.parent.name: charts.loss_chart(path) for path in curves}
    for cost, points in without_charts.pareto_points.items():
        title = without_charts.panels[0].label.title
        drawn[cost] = charts.pareto_chart(points, COSTS[cost], title)
    return views.with_charts(without_charts, {name: svg for name, svg in drawn.items() if svg})


def _curve_order(path: Path) -> tuple[bool, bool, str]:
    """Sort key: training of the task, then of the reward model, then the other stages by name."""
    stage = path.parent.name
    return (stage != scores.TRAIN, stage != scores.REWARD, stage)


def render_cards(shown: Sequence[View], metrics: Metrics) -> dict[str, str]:
    """The text of each card by file name, for the data of each task and for each scored model."""
    cards = {}
    for view in shown:
        fetched = scores.of(metrics, scores.FETCH, view.task)
        trained = scores.of(metrics, scores.TRAIN, view.task)
        cards[f"data-{view.task}.md"] = render.data_card(view, fetched)
        for size in (size for size in view.sizes if size.published):
            own_training = trained if size.variant == "base" else {}
            cards[f"{view.task}-{size.variant}.md"] = render.model_card(view, size, own_training)
    return cards
