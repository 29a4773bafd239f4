"""Gather the metrics into a summary, cards and a page; nothing is measured here.

Reads   reports/metrics/**.json, reports/plots/**.csv, benchmarks/latency.json; the params
        `tasks`, `methods`, `effects`, `preferences` and `seeds`
Writes  reports/summary.json      a list of {task, variant, metric, value, low, high, n, seed}
        reports/html/index.html   the page, one file
        reports/cards/            data-TASK.md, and TASK-VARIANT.md for each scored model

    tandem report
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tandem.core import io, params, wording
from tandem.core.errors import StageError
from tandem.report import charts, latency, render, scores, views
from tandem.report.scores import Metrics, Score
from tandem.report.views import View

METRICS, PLOTS = Path("reports/metrics"), Path("reports/plots")
LATENCY = Path("benchmarks/latency.json")
COSTS = {"size": "megabytes of weights", "latency": "milliseconds a text, one at a time"}
SUMMARY, HTML, CARDS = Path("reports/summary.json"), Path("reports/html"), Path("reports/cards")


def main() -> str:
    """Write summary, page and cards.

    Raises:
        StageError: there are no metrics yet, or benchmarks/latency.json is none.
    """
    project = params.project()
    metrics = scores.load(METRICS, project)
    found = scores.gather(metrics, project)
    if not found:
        raise StageError(f"{METRICS} holds no score: run `dvc repro` or `snakemake` first")
    latencies = latency.load(LATENCY)
    speeds = latency.speeds(latencies, metrics, project.tasks)
    # the summary holds what stages measured, which an audit can follow back; the page more
    beside = latency.with_graphs(metrics, latencies, project.tasks)
    drawn = scores.gather(beside, project)
    shown = [view(task, drawn, beside, speeds) for task in project.tasks]
    with io.atomic_outputs(SUMMARY, HTML, CARDS) as (summary, html, cards):
        io.write_json(summary, scores.summary(found))
        io.write_text(html / "index.html", render.page(shown, latencies.machine))
        texts = written(shown, metrics)
        for name, text in sorted(texts.items()):
            io.write_text(cards / name, text)
    size = f"{wording.counted(len(found), 'score')} of {wording.counted(len(shown), 'task')}"
    number = wording.counted(len(texts), "card")
    return f"{size}; written to {SUMMARY}, {HTML / 'index.html'} and {CARDS} ({number})"


def view(
    task: str, found: Sequence[Score], metrics: Metrics, speeds: Mapping[tuple[str, str], Any]
) -> View:
    """A task's view with its charts."""
    bare = views.view(task, found, metrics, speeds)
    curves = {path.parent.name: path for path in sorted(PLOTS.glob(f"*/{task}.csv"), key=_flow)}
    drawn = {stage: charts.losses(path) for stage, path in curves.items()}
    for name, points in bare.pareto_points.items():
        drawn[name] = charts.pareto_chart(points, COSTS[name], bare.panels[0].name.title)
    return views.with_charts(bare, {name: svg for name, svg in drawn.items() if svg})


def _flow(path: Path) -> tuple[bool, bool, str]:
    """Training first, then what feeds alignment, then the rest by name."""
    stage = path.parent.name
    return (stage != "train", stage != "reward", stage)


def written(shown: Sequence[View], metrics: Metrics) -> dict[str, str]:
    """File name → card, for each task's data and each scored model."""
    cards = {}
    for each in shown:
        fetched = metrics.get("fetch", {}).get(each.task, {})
        trained = metrics.get("train", {}).get(each.task, {})
        cards[f"data-{each.task}.md"] = render.data_card(each, fetched)
        for size in (size for size in each.sizes if size.published):
            own = trained if size.variant == "base" else {}
            cards[f"{each.task}-{size.variant}.md"] = render.model_card(each, size, own)
    return cards
