"""Write the results table of README.md from reports/summary.json.

    python benchmarks/readme.py

Rerun this script whenever the summary changes; tests/test_docs.py fails if the table is out of
date. For each task, the table contains one row for each metric that the base model and the
baselines share, one row for the size of the weights and, if the task has preferences, rows for the
reward model, for the judge and for the effect of alignment.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tandem.core import io
from tandem.core.errors import StageError
from tandem.report import labels

README, SUMMARY = Path("README.md"), Path("reports/summary.json")
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
BASELINE = "baseline/"
JUDGES = ("reward", "judge")
SIZE = "size_bytes"
MEGABYTE = 1e6

Scores = Mapping[str, Mapping[str, Any]]
"""Variant → a row of the summary, for one task and one metric."""


def main() -> None:
    """Rewrite the table in README.md; the rest of the file stays as it is."""
    text = README.read_text(encoding="utf-8")
    with io.atomic_outputs(README) as (partial,):
        io.write_text(partial, with_table(text, table(io.read_json(SUMMARY))))


def with_table(text: str, lines: Sequence[str]) -> str:
    """The text of README.md with `lines` between the two markers of the table.

    Raises:
        StageError: a marker is missing.
    """
    before, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise StageError(f"{README} has no {BEGIN} … {END}: add both, each on a line of its own")
    return "\n".join([before + BEGIN, *lines, END + after])


def table(summary: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines of the table, in Markdown."""
    tasks: dict[str, dict[str, dict[str, Mapping[str, Any]]]] = {}
    for row in summary:
        tasks.setdefault(row["task"], {}).setdefault(row["metric"], {})[row["variant"]] = row
    # Methods are columns, so only methods with a model for every task are included.
    sized = [set(metrics.get(SIZE, {})) for metrics in tasks.values()]
    methods = sorted(set.intersection(*sized) - {"base"}) if sized else []
    head = ["task", "score", "n", "trained model", *methods, "best baseline"]
    lines = [_line(head), _line("---" for _ in head)]
    for task, metrics in tasks.items():
        rows = [
            *_scores(task, metrics, methods),
            *_size(metrics.get(SIZE, {}), methods),
            *_preferences(metrics, methods),
        ]
        lines += [_line([task if n == 0 else "", *cells]) for n, cells in enumerate(rows)]
    return lines


def _scores(
    task: str, metrics: Mapping[str, Scores], methods: Sequence[str]
) -> Iterator[list[str]]:
    """Rows for overall metrics (not by domain) that score the base model and a baseline."""
    order = labels.metric_order(task)
    shared = [
        metric
        for metric, scores in metrics.items()
        if "/" not in metric and "base" in scores and _baselines(scores)
    ]
    shared.sort(key=lambda name: order.index(name) if name in order else len(order))
    for metric in shared:
        scores = metrics[metric]
        cells = [_value(metric, scores[m]["value"]) if m in scores else "" for m in methods]
        yield [*_scored(metric, scores["base"]), *cells, _best_baseline(metric, scores)]


def _size(scores: Scores, methods: Sequence[str]) -> Iterator[list[str]]:
    if "base" in scores:
        sizes = [f"{scores[m]['value'] / MEGABYTE:.1f}" for m in ("base", *methods)]
        yield ["Weights, MB", "", *sizes, ""]


def _preferences(metrics: Mapping[str, Scores], methods: Sequence[str]) -> Iterator[list[str]]:
    """Rows for the pair accuracy of the reward model and the judge, and the effect of alignment."""
    empty = [""] * len(methods)
    pairs = metrics.get("pair_accuracy", {})
    for judge in (judge for judge in JUDGES if judge in pairs):
        title, *rest = _scored("pair_accuracy", pairs[judge])
        yield [f"{title}, {judge}", *rest, *empty, _best_baseline("pair_accuracy", pairs)]
    for metric, scores in metrics.items():
        name, _, judge = metric.partition("/")
        if name == "win_rate" and judge != "reward":  # alignment optimizes the reward itself
            title, *rest = _scored(metric, scores["aligned"])
            yield [f"{title} of the aligned model, by {judge}", *rest, *empty, "chance 0.5"]
    for metric in (name for name in ("kl_per_text", "length") if name in metrics):
        title, *rest = _scored(metric, metrics[metric]["aligned"])
        before = metrics[metric].get("base")
        cell = f"before alignment {_value(metric, before['value'])}" if before else ""
        yield [f"{title} of the aligned model", *rest, *empty, cell]


def _scored(metric: str, row: Mapping[str, Any]) -> list[str]:
    """Title, number of test rows (or pairs, or prompts), and value with interval."""
    known = labels.metric(metric)
    title = f"{known.title} (lower is better)" if known.direction < 0 else known.title
    interval = f" ({_value(metric, row['low'])}–{_value(metric, row['high'])})"
    return [title, f"{row['n']:,}", _value(metric, row["value"]) + interval]


def _best_baseline(metric: str, scores: Scores) -> str:
    """The best baseline and, if rows have ratings, a single human rater, with their scores."""
    better = labels.metric(metric).direction
    found = _baselines(scores)
    best = max(found, key=lambda variant: (better * found[variant]["value"], variant))
    cell = f"{best.removeprefix(BASELINE)} {_value(metric, found[best]['value'])}"
    if "human" in scores:
        cell += f"; one human rater {_value(metric, scores['human']['value'])}"
    return cell


def _baselines(scores: Scores) -> Scores:
    return {variant: row for variant, row in scores.items() if variant.startswith(BASELINE)}


def _value(metric: str, value: float) -> str:
    return f"{value:.{labels.metric(metric).decimals}f}"


def _line(cells: Sequence[str] | Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
