"""Read reports/details into one flat, sorted list of scores.

In a detail file, every object with the key `value` is a score, and so is every number outside such
an object. The keys that lead to a score form the name of its metric. A new metric therefore
requires no change in this module. The other modules of the report import the names of stages from
this module.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem.core.io import read_details
from tandem.core.params import ProjectParams

FETCH, TRAIN = "fetch", "train"
DATA_STAGES = (FETCH, "clean", "split", "augment")
"""Stages that count rows, in topological order."""
EVALUATE, BASELINE = "evaluate", "baseline"
"""Stages that score variants on the test rows."""
SEEDS = "seeds"
ABLATION = "augmentation-ablation"
REWARD, JUDGE, ALIGN, COMPARISON = "reward", "judge", "align", "evaluate-preferences"
INTERMEDIATE = (REWARD, JUDGE, ALIGN, ABLATION)
"""Stages that score models on the validation rows."""
ONNX = "onnx"
"""A variant that no stage writes: benchmarks/latency.py exports and scores it."""
KEYS = ("value", "low", "high", "n", "seed")

Metrics = dict[str, dict[str, Any]]
"""Stage → TASK or TASK-VARIANT → the content of the detail file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A metric's value for a variant, with its interval and the number `n` of rows or pairs.

    A value that was counted, not estimated, has no interval, `n` or `seed`.
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

    @property
    def on_test_rows(self) -> bool:
        """Whether this is the score of a variant or baseline on the test rows."""
        return self.stage in (EVALUATE, BASELINE) and self.n is not None


def load(root: Path, project: ProjectParams) -> Metrics:
    """The contents of all detail files in the folder `root` (reports/details).

    Spreads across seeds are left out for tasks that are no longer trained with several seeds.
    """
    metrics: Metrics = {}
    for path in sorted(root.rglob("*.json")):
        stage = path.parent.relative_to(root).as_posix()
        metrics.setdefault(stage, {})[path.stem] = read_details(path)
    spreads = metrics.get(SEEDS, {})
    metrics[SEEDS] = {task: spreads[task] for task in project.seeds if task in spreads}
    return metrics


def of(metrics: Metrics, stage: str, name: str) -> Mapping[str, Any]:
    """The content of the detail file `name` (TASK or TASK-VARIANT); empty if there is none."""
    content: Mapping[str, Any] = metrics.get(stage, {}).get(name, {})
    return content


def gather(metrics: Metrics, project: ProjectParams) -> list[Score]:
    """Every score of the project's tasks and variants, sorted.

    Files of tasks and methods that are no longer in params.yaml are left out.
    """
    scores = [
        score
        for task in project.tasks
        for stage, variant, content in _sources(metrics, task, project)
        for score in _scores((stage, task, variant), "", content)
    ]
    return sorted(scores, key=lambda s: (s.task, s.variant, s.metric, s.stage))


def summary(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """The scores as the rows of reports/summary.json, sorted by task, variant and metric.

    The name of a metric that was computed on validation rows is prefixed with the stage's name.
    """
    rows = [
        {
            "task": score.task,
            "variant": score.variant,
            "metric": f"{score.stage}/{score.metric}"
            if score.stage in INTERMEDIATE
            else score.metric,
            **{key: getattr(score, key) for key in KEYS},
        }
        for score in scores
    ]
    return sorted(rows, key=lambda row: (row["task"], row["variant"], row["metric"]))


def variants(task: str, project: ProjectParams) -> list[str]:
    """The variants of a task's model that the pipeline evaluates."""
    return ["base", *(["aligned"] if task in project.preferences else []), *project.methods]


def _sources(
    metrics: Metrics, task: str, project: ProjectParams
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield (stage, variant, the variant's part of a detail file) for all scores of a task."""
    for variant in dict.fromkeys([*variants(task, project), ONNX]):
        yield EVALUATE, variant, of(metrics, EVALUATE, f"{task}-{variant}")
    for name, content in of(metrics, BASELINE, task).items():
        yield BASELINE, name if name == "human" else f"baseline/{name}", content
    if task in project.augmentation_ablation:
        for name, content in of(metrics, ABLATION, task).items():
            yield ABLATION, f"augmentation/{name}", content
    if task in project.preferences:
        for stage in (REWARD, JUDGE):
            yield stage, stage, of(metrics, stage, task)
        for stage in (ALIGN, COMPARISON):
            for name, content in of(metrics, stage, task).items():
                if isinstance(content, dict):
                    yield stage, "baseline/vader" if name == "vader" else name, content
                else:
                    yield stage, "aligned", {name: content}


def _scores(where: tuple[str, str, str], path: str, content: Any) -> Iterator[Score]:
    """The scores in `content`, which is the value at `path` in a detail file.

    Args:
        where: The stage, the task and the variant of the scores.
        path: The keys that lead to `content`, joined by slashes.
        content: Any JSON value.
    """
    stage, task, variant = where
    if isinstance(content, dict) and "value" in content:
        values: dict[str, Any] = {key: content.get(key) for key in KEYS}
        yield Score(stage=stage, task=task, variant=variant, metric=path, **values)
    elif isinstance(content, dict):
        for key in sorted(content):
            yield from _scores(where, f"{path}/{key}" if path else key, content[key])
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield Score(stage=stage, task=task, variant=variant, metric=path, value=content)
