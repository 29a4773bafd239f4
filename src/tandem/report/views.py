"""Turn scores and row counts into the data that the HTML report and the cards show."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tandem.preferences.labels import MetricLabel
from tandem.report import labels
from tandem.report.scores import (
    ABLATION,
    COMPARISON,
    DATA_STAGES,
    EVALUATE,
    SEEDS,
    Metrics,
    Score,
    of,
)

MODEL, BASELINE, HUMAN = "model", "baseline", "human"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One score in a panel; `x`, `x_low` and `x_high` are percentages of the panel's width."""

    score: Score
    name: str
    label: str
    kind: str
    """The kind of the variant: `model`, `baseline` or `human`."""
    text: str
    """The value, formatted as text."""
    interval: str
    x: float
    x_low: float
    x_high: float
    best: bool
    """Whether no other model or baseline has a better score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The scores of all variants for one metric, models first."""

    metric: str
    label: MetricLabel
    marks: list[Mark]
    reference: float | None
    """The `x` of the best baseline."""
    scale: tuple[str, str]
    """The lowest and the highest value on the scale, formatted as text."""

    @property
    def title(self) -> str:
        """The metric's title, followed by the domain or scorer if the name contains one."""
        part = self.metric.partition("/")[2]
        return f"{self.label.title}, {part}" if part else self.label.title

    @property
    def single(self) -> bool:
        """Whether the panel has only one score, and thus nothing to compare."""
        return len(self.marks) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A data preparation step, with row counts for each part of its output and each drop reason."""

    title: str
    parts: dict[str, int]
    dropped: dict[str, int]

    @property
    def rows(self) -> int:
        """The number of rows in all parts."""
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The size of a variant's weights, its score and, if it was measured, its speed."""

    variant: str
    megabytes: float
    parameters: int | None
    value: float
    low: float | None
    high: float | None
    latency: Mapping[str, Any] | None = None

    @property
    def published(self) -> bool:
        """Whether a stage wrote these weights; false for ONNX graphs that the benchmark exports."""
        return "scores" not in (self.latency or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The cost and the score of a variant.

    A point is on the Pareto front unless another variant has a lower cost and at least as good a
    score, or a better score at no higher cost.
    """

    variant: str
    cost: float
    value: float
    low: float | None
    high: float | None
    on_front: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How much a metric varies between training runs with different seeds."""

    title: str
    decimals: int
    mean: float
    deviation: float
    values: dict[str, float]
    """Seed → score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The data that the HTML report and the cards show about one task."""

    task: str
    panels: list[Panel] = field(default_factory=list)
    domains: list[Panel] = field(default_factory=list)
    ablation: list[Panel] = field(default_factory=list)
    preferences: list[Panel] = field(default_factory=list)
    sizes: list[Size] = field(default_factory=list)
    pareto_points: dict[str, list[Point]] = field(default_factory=dict)
    spreads: list[Spread] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    signatures: dict[str, str] = field(default_factory=dict)
    charts: dict[str, str] = field(default_factory=dict)
    """Name → SVG: the loss curves of each stage, and a plot of score against each kind of cost."""


def variant_kind(variant: str) -> str:
    """The kind of a variant: `model`, `baseline` or `human`."""
    if variant == HUMAN:
        return HUMAN
    return BASELINE if variant.startswith("baseline/") else MODEL


def variant_rank(variant: str) -> int:
    """Sort key: the trained model, then models made from it, then baselines, then human raters."""
    kinds = (MODEL, BASELINE, HUMAN)
    return 0 if variant == "base" else kinds.index(variant_kind(variant)) + 1


def panel(metric: str, scores: Sequence[Score]) -> Panel:
    """The panel of one metric: its scores, placed on a common scale."""
    label = labels.metric(metric)
    sign = label.direction
    has_best = bool(sign) and len(scores) > 1
    best = max((sign * s.value for s in scores if s.variant != HUMAN), default=None)
    edges = [edge for s in scores for edge in (s.value, s.low, s.high) if edge is not None]
    low, width = min(edges), (max(edges) - min(edges)) or 1.0

    def percent(value: float | None, default: float) -> float:
        # A margin of 4 % at either end of the scale leaves room for the dots.
        return round(4 + 92 * ((default if value is None else value) - low) / width, 2)

    marks = [
        Mark(
            score=s,
            name=s.variant.removeprefix("baseline/").removeprefix("augmentation/"),
            label=labels.variant(s.variant),
            kind=variant_kind(s.variant),
            text=labels.number(s.value, label.decimals),
            interval=_interval(s, label.decimals),
            x=percent(s.value, s.value),
            x_low=percent(s.low, s.value),
            x_high=percent(s.high, s.value),
            best=has_best and s.variant != HUMAN and sign * s.value == best,
        )
        for s in sorted(scores, key=lambda s: (variant_rank(s.variant), -sign * s.value, s.variant))
    ]
    baselines = [mark for mark in marks if mark.kind == BASELINE]
    reference = max(baselines, key=lambda mark: sign * mark.score.value).x if baselines else None
    scale = (labels.number(low, label.decimals), labels.number(low + width, label.decimals))
    return Panel(metric=metric, label=label, marks=marks, reference=reference, scale=scale)


def sort_metrics(metrics: Iterable[str], order: Sequence[str]) -> list[str]:
    """Sort metrics by the position of their stem (the part before `/`) in `order`.

    Metrics whose stem is not in `order` come last, sorted by name.
    """
    rank = {name: index for index, name in enumerate(order)}

    def key(metric: str) -> tuple[int, str, str]:
        stem = metric.partition("/")[0]
        return rank.get(stem, len(rank)), stem, metric

    return sorted(metrics, key=key)


def panels(scores: Sequence[Score], order: Sequence[str]) -> list[Panel]:
    """One panel for each metric in `scores`."""
    by_metric: dict[str, list[Score]] = {}
    for score in scores:
        by_metric.setdefault(score.metric, []).append(score)
    return [panel(metric, by_metric[metric]) for metric in sort_metrics(by_metric, order)]


def sizes(
    task: str, scores: Sequence[Score], metric: str, speeds: Mapping[tuple[str, str], Any]
) -> list[Size]:
    """Size, score and speed of each variant that has a size and a score for `metric`."""
    by_variant: dict[str, dict[str, Score]] = {}
    for score in scores:
        by_variant.setdefault(score.variant, {})[score.metric] = score
    return [
        Size(
            variant=variant,
            megabytes=by_metric["size_bytes"].value / 1e6,
            parameters=int(by_metric["parameters"].value) if "parameters" in by_metric else None,
            value=by_metric[metric].value,
            low=by_metric[metric].low,
            high=by_metric[metric].high,
            latency=speeds.get((task, variant)),
        )
        for variant, by_metric in sorted(
            by_variant.items(), key=lambda item: (variant_rank(item[0]), item[0])
        )
        if "size_bytes" in by_metric and metric in by_metric
    ]


def pareto_points(sizes: Sequence[Size], direction: int) -> dict[str, list[Point]]:
    """The points of two plots: score against size, and score against latency.

    A latency is left out if it was measured with weights other than the evaluated ones. A plot with
    fewer than two variants is left out.

    Args:
        sizes: The variants.
        direction: 1 if a higher score is better, else -1.

    Returns:
        Name of the plot (`size` or `latency`) → its points.
    """
    costs = {
        "size": {size.variant: size.megabytes for size in sizes},
        "latency": {
            size.variant: size.latency["single"]["milliseconds_per_row"]
            for size in sizes
            if size.latency and size.latency["current"]
        },
    }
    return {
        name: points(sizes, by_variant, direction)
        for name, by_variant in costs.items()
        if len(by_variant) > 1
    }


def points(sizes: Sequence[Size], costs: Mapping[str, float], direction: int) -> list[Point]:
    """The points of the variants with a known cost, in ascending order of cost."""
    candidates = [
        (costs[size.variant], direction * size.value, size)
        for size in sizes
        if size.variant in costs
    ]

    def dominated(cost: float, score: float) -> bool:
        rivals = [(c, s) for c, s, _ in candidates if (c, s) != (cost, score)]
        return any(c <= cost and s >= score for c, s in rivals)

    return [
        Point(
            variant=size.variant,
            cost=cost,
            value=size.value,
            low=size.low,
            high=size.high,
            on_front=not dominated(cost, score),
        )
        for cost, score, size in sorted(candidates, key=lambda c: (c[0], -c[1], c[2].variant))
    ]


def spreads(metrics: Metrics, task: str, order: Sequence[str]) -> list[Spread]:
    """The spread of each metric across seeds; empty if the task is trained with only one seed."""
    by_metric = of(metrics, SEEDS, task)
    return [
        Spread(
            title=labels.metric(metric).title,
            decimals=labels.metric(metric).decimals,
            mean=by_metric[metric]["mean"],
            deviation=by_metric[metric]["deviation"],
            values=by_metric[metric]["seeds"],
        )
        for metric in sort_metrics(by_metric, order)
        if "/" not in metric
    ]


def steps(metrics: Metrics, task: str) -> list[Step]:
    """The data preparation steps that have been run, from raw to augmented rows."""
    fetched, cleaned, split, augmented = (of(metrics, stage, task) for stage in DATA_STAGES)
    done = []
    if fetched:
        dropped = fetched["unreadable_by_reason"]
        done.append(Step(title="raw", parts={"rows": fetched["rows"]}, dropped=dropped))
    if cleaned:
        dropped = cleaned["dropped"]
        done.append(Step(title="clean", parts={"rows": cleaned["kept"]}, dropped=dropped))
    if split:
        parts = {name: split["rows"][name] for name in ("train", "validation", "test")}
        done.append(Step(title="split", parts=parts, dropped=split["dropped"]))
    if augmented:
        parts = {"train": augmented["originals"], "derived": augmented["derived"]}
        done.append(Step(title="augmented", parts=parts, dropped={}))
    return done


def signatures(metrics: Metrics, task: str) -> dict[str, str]:
    """Metric → the sacrebleu signature, which should be reported with the score."""
    by_metric = {}
    for name, content in metrics.get(EVALUATE, {}).items():
        for metric, entry in content.items():
            if name.startswith(f"{task}-") and isinstance(entry, dict) and "signature" in entry:
                by_metric[metric] = entry["signature"]
    return dict(sorted(by_metric.items()))


def view(
    task: str, scores: Sequence[Score], metrics: Metrics, speeds: Mapping[tuple[str, str], Any]
) -> View:
    """The data that the HTML report and the cards show about one task, without the charts."""
    order = labels.metric_order(task)
    scores = [score for score in scores if score.task == task]
    tested = [score for score in scores if score.on_test_rows]
    overall = [score for score in tested if "/" not in score.metric]
    main_metric = next(iter(sort_metrics((score.metric for score in overall), order)), "")
    sized = sizes(task, scores, main_metric, speeds)
    return View(
        task=task,
        panels=panels(overall, order),
        domains=panels([s for s in tested if s.metric.startswith(f"{main_metric}/")], order),
        ablation=panels([s for s in scores if s.stage == ABLATION and s.n is not None], order),
        preferences=panels([s for s in scores if s.stage == COMPARISON], order),
        sizes=sized,
        pareto_points=pareto_points(sized, labels.metric(main_metric).direction),
        spreads=spreads(metrics, task, order),
        steps=steps(metrics, task),
        signatures=signatures(metrics, task),
    )


def with_charts(view: View, charts: Mapping[str, str]) -> View:
    """A copy of `view` with the given charts (name → SVG)."""
    return replace(view, charts=dict(charts))


def _interval(score: Score, decimals: int) -> str:
    if score.low is None:
        return ""
    return f"{labels.number(score.low, decimals)} – {labels.number(score.high, decimals)}"
