"""Build the summary, the HTML page and the cards.

This stage measures nothing: it presents metrics that other stages and a benchmark have recorded.

Reads   reports/details/**.json, reports/plots/**.csv, benchmarks/latency.json; the params
        `augmentation_ablation`, `methods`, `preferences`, `runtime`, `seeds` and `tasks`
Writes  reports/summary.json      a list of {task, variant, metric, value, low, high, n, seed},
                                  which `dvc plots show` draws with .dvc/plots/scores.json
        reports/html/index.html   the page, as a single file
        reports/cards/            data-TASK.md, and TASK-VARIANT.md for each scored model

    tandem report
"""

from pathlib import Path

from tandem.core import io, params, paths, wording
from tandem.core.errors import StageError
from tandem.report import latency, render, scores, task_views

LATENCY = Path("benchmarks/latency.json")
SUMMARY, HTML, CARDS = Path("reports/summary.json"), Path("reports/html"), Path("reports/cards")


def main() -> str:
    """Write the summary, the page and the cards.

    Raises:
        StageError: there are no metrics yet, or benchmarks/latency.json is not in the format that
            the benchmark writes.
    """
    project = params.project()
    metrics = scores.load(paths.DETAILS, project)
    stage_scores = scores.gather(metrics, project)
    if not stage_scores:
        raise StageError(f"{paths.DETAILS} has no scores: run `dvc repro` or `snakemake` first")

    # The summary contains only values measured by stages, so that an audit can trace them. The page
    # also contains the values measured by the latency benchmark.
    latencies = latency.load(LATENCY)
    speeds = latency.speeds(latencies, metrics, project.tasks)
    all_metrics = latency.with_graphs(metrics, latencies, project.tasks)
    all_scores = scores.gather(all_metrics, project)
    shown = [task_views.view(task, all_scores, all_metrics, speeds) for task in project.tasks]

    with io.atomic_outputs(SUMMARY, HTML, CARDS) as (summary, html, cards):
        io.write_json(summary, scores.summary(stage_scores))
        io.write_text(html / "index.html", render.page(shown, latencies.machine))
        texts = render.cards(shown, metrics)
        for name, text in sorted(texts.items()):
            io.write_text(cards / name, text)
    size = f"{wording.counted(len(stage_scores), 'score')} of {wording.counted(len(shown), 'task')}"
    number = wording.counted(len(texts), "card")
    return f"{size}; written to {SUMMARY}, {HTML / 'index.html'} and {CARDS} ({number})"
