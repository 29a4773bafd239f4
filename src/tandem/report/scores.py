"""Detail files → one flat, sorted list of figures.

Whatever is `{"value": …}` or a plain number in a file becomes a figure; its metric is the path of
keys to it. So a stage that writes a new metric is in the report without a change here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem.core.io import read_details
from tandem.core.params import ProjectParams

EFFECT = "augmentation-effect"
INTERMEDIATE = ("reward", "judge", "align", EFFECT)
ONNX = "onnx"
"""A variant that benchmarks/latency.py makes and scores, where no stage does."""
KEYS = ("value", "low", "high", "n", "seed")

Metrics = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One number: of which task, variant and metric, between which ends, over how many rows.

    Where a number is counted, not estimated, it has no ends, `n` or `seed`.
    """

    stage: str
    task: str
    variant: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    seed: int | None = None


def load(root: Path, project: ProjectParams) -> Metrics:
    """All details under `root` (reports/details): by stage, then by TASK or TASK-VARIANT.

    Spreads of tasks that are no longer trained with several seeds are left out.
    """
    found: Metrics = {}
    for path in sorted(root.rglob("*.json")):
        stage = path.parent.relative_to(root).as_posix()
        found.setdefault(stage, {})[path.stem] = read_details(path)
    spreads = found.get("seeds", {})
    found["seeds"] = {task: spreads[task] for task in project.seeds if task in spreads}
    return found


def gather(metrics: Metrics, project: ProjectParams) -> list[Score]:
    """Every figure of the project's tasks and variants, sorted.

    A file of a task or method that is no longer in params is left out.
    """
    found = [
        figure
        for task in project.tasks
        for stage, variant, content in _sources(metrics, task, project)
        for figure in _figures((stage, task, variant), "", content)
    ]
    return sorted(found, key=lambda f: (f.task, f.variant, f.metric, f.stage))


def summary(figures: Sequence[Score]) -> list[dict[str, Any]]:
    """The figures as the rows of reports/summary.json, sorted by task, variant and metric.

    What was measured on validation rows, on the way, has its stage before its metric.
    """
    rows = [
        {
            "task": figure.task,
            "variant": figure.variant,
            "metric": f"{figure.stage}/{figure.metric}"
            if figure.stage in INTERMEDIATE
            else figure.metric,
            **{key: getattr(figure, key) for key in KEYS},
        }
        for figure in figures
    ]
    return sorted(rows, key=lambda row: (row["task"], row["variant"], row["metric"]))


def variants(task: str, project: ProjectParams) -> list[str]:
    """The variants of a task's model, as the evaluate stages name them."""
    return ["base", *(["aligned"] if task in project.preferences else []), *project.methods]


def _sources(
    metrics: Metrics, task: str, project: ProjectParams
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Stage, variant and content, wherever a task's scores stand."""
    for variant in dict.fromkeys([*variants(task, project), ONNX]):
        yield "evaluate", variant, metrics.get("evaluate", {}).get(f"{task}-{variant}", {})
    for name, content in metrics.get("baseline", {}).get(task, {}).items():
        yield "baseline", name if name == "human" else f"baseline/{name}", content
    if task in project.augmentation_ablation:
        for name, content in metrics.get(EFFECT, {}).get(task, {}).items():
            yield EFFECT, f"augmentation/{name}", content
    if task in project.preferences:
        for judge in ("reward", "judge"):
            yield judge, judge, metrics.get(judge, {}).get(task, {})
        for stage in ("align", "evaluate-preferences"):
            for name, content in metrics.get(stage, {}).get(task, {}).items():
                if isinstance(content, dict):
                    yield stage, "baseline/vader" if name == "vader" else name, content
                else:
                    yield stage, "aligned", {name: content}


def _figures(where: tuple[str, str, str], path: str, content: Any) -> Iterator[Score]:
    """The figures inside `content`, which stands under the keys of `path`."""
    stage, task, variant = where
    if isinstance(content, dict) and "value" in content:
        known: dict[str, Any] = {key: content.get(key) for key in KEYS}
        yield Score(stage=stage, task=task, variant=variant, metric=path, **known)
    elif isinstance(content, dict):
        for key in sorted(content):
            yield from _figures(where, f"{path}/{key}" if path else key, content[key])
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield Score(stage=stage, task=task, variant=variant, metric=path, value=content)
