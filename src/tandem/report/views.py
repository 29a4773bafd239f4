"""Figures and counts → what the page and the cards show of a task, ready to be laid out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tandem.report import labels
from tandem.report.scores import EFFECT, Metrics, Score

MODELS, BASELINES, HUMAN = "model", "baseline", "human"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One figure on a scale from 0 to 100; `best` of all but humans."""

    figure: Score
    name: str
    about: str
    kind: str
    text: str
    ends: str
    at: float
    start: float
    stop: float
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """All variants under one metric, models first; `reference` is the best baseline's place."""

    metric: str
    name: labels.MetricLabel
    marks: list[Mark]
    reference: float | None
    scale: tuple[str, str]

    @property
    def title(self) -> str:
        """The metric's title, and the part of the rows or the judge that it is of."""
        part = self.metric.partition("/")[2]
        return f"{self.name.title}, {part}" if part else self.name.title

    @property
    def single(self) -> bool:
        """Whether there is nothing to compare."""
        return len(self.marks) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the data: its rows by part, and those it dropped, by reason."""

    title: str
    parts: dict[str, int]
    dropped: dict[str, int]

    @property
    def rows(self) -> int:
        """Of all parts."""
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A variant's weights, its score, and, where measured, its speed."""

    variant: str
    name: str
    megabytes: float
    parameters: int | None
    value: float
    low: float | None
    high: float | None
    latency: Mapping[str, Any] | None = None

    @property
    def published(self) -> bool:
        """Whether a stage wrote these weights; what brings scores along was made to be measured."""
        return "scores" not in (self.latency or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A variant's cost and score; `front` if no other variant is better in one, worse in none."""

    name: str
    cost: float
    value: float
    low: float | None
    high: float | None
    front: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far a metric spreads when the model is trained anew with other seeds."""

    title: str
    decimals: int
    mean: float
    deviation: float
    values: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything that is shown of a task."""

    task: str
    panels: list[Panel] = field(default_factory=list)
    domains: list[Panel] = field(default_factory=list)
    effects: list[Panel] = field(default_factory=list)
    preferences: list[Panel] = field(default_factory=list)
    sizes: list[Size] = field(default_factory=list)
    pareto_points: dict[str, list[Point]] = field(default_factory=dict)
    spreads: list[Spread] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    signatures: dict[str, str] = field(default_factory=dict)
    charts: dict[str, str] = field(default_factory=dict)


def kind(variant: str) -> str:
    """Whether a variant is a model, a baseline or people."""
    if variant == HUMAN:
        return HUMAN
    return BASELINES if variant.startswith("baseline/") else MODELS


def panel(metric: str, figures: Sequence[Score]) -> Panel:
    """The figures of one metric on one scale; the best of models and baselines is marked."""
    name = labels.metric(metric)
    sign = name.better
    can_win = bool(sign) and len(figures) > 1
    best = max((sign * f.value for f in figures if f.variant != HUMAN), default=None)
    edges = [e for f in figures for e in (f.value, f.low, f.high) if e is not None]
    low, width = min(edges), (max(edges) - min(edges)) or 1.0

    def place(value: float | None, default: float) -> float:
        """In percent; 4 on either side are left for the dots."""
        return round(4 + 92 * ((default if value is None else value) - low) / width, 2)

    marks = [
        Mark(
            figure=f,
            name=f.variant.removeprefix("baseline/").removeprefix("augmentation/"),
            about=labels.VARIANTS.get(f.variant, ""),
            kind=kind(f.variant),
            text=labels.number(f.value, name.decimals),
            ends="" if f.low is None else _ends(f, name.decimals),
            at=place(f.value, f.value),
            start=place(f.low, f.value),
            stop=place(f.high, f.value),
            best=can_win and f.variant != HUMAN and sign * f.value == best,
        )
        for f in sorted(figures, key=lambda f: (order(f.variant), -sign * f.value, f.variant))
    ]
    beaten = [mark for mark in marks if mark.kind == BASELINES]
    reference = max(beaten, key=lambda mark: sign * mark.figure.value).at if beaten else None
    scale = (labels.number(low, name.decimals), labels.number(low + width, name.decimals))
    return Panel(metric=metric, name=name, marks=marks, reference=reference, scale=scale)


def order(variant: str) -> int:
    """The trained model first, then what was made of it, baselines, people."""
    return 0 if variant == "base" else (MODELS, BASELINES, HUMAN).index(kind(variant)) + 1


def panels(figures: Sequence[Score]) -> list[Panel]:
    """A panel for each metric of the figures, in the page's order."""
    by_metric: dict[str, list[Score]] = {}
    for figure in figures:
        by_metric.setdefault(figure.metric, []).append(figure)
    ranked = sorted(by_metric, key=lambda metric: (labels.rank(metric.partition("/")[0]), metric))
    return [panel(metric, by_metric[metric]) for metric in ranked]


def main_metric(figures: Sequence[Score]) -> str:
    """The first by rank of the metrics of `figures`; or ""."""
    return min((figure.metric for figure in figures), key=labels.rank, default="")


def sizes(
    task: str, figures: Sequence[Score], metric: str, latencies: Mapping[tuple[str, str], Any]
) -> list[Size]:
    """Weights, score and speed of each variant that has all of the first two."""
    by_variant: dict[str, dict[str, Score]] = {}
    for figure in figures:
        by_variant.setdefault(figure.variant, {})[figure.metric] = figure
    return [
        Size(
            variant=variant,
            name=variant,
            megabytes=known["size_bytes"].value / 1e6,
            parameters=int(known["parameters"].value) if "parameters" in known else None,
            value=known[metric].value,
            low=known[metric].low,
            high=known[metric].high,
            latency=latencies.get((task, variant)),
        )
        for variant, known in sorted(by_variant.items(), key=lambda item: (order(item[0]), item[0]))
        if "size_bytes" in known and metric in known
    ]


def pareto_points(sizes: Sequence[Size], better: int) -> dict[str, list[Point]]:
    """What a score costs in megabytes and in milliseconds a text, where variants can be compared.

    `better` is 1 where more is better, else -1. A latency of other weights is left out.
    """
    costs = {
        "size": {size.variant: size.megabytes for size in sizes},
        "latency": {
            size.variant: size.latency["single"]["milliseconds_per_row"]
            for size in sizes
            if size.latency and size.latency["current"]
        },
    }
    return {name: points(sizes, own, better) for name, own in costs.items() if len(own) > 1}


def points(sizes: Sequence[Size], costs: Mapping[str, float], better: int) -> list[Point]:
    """The variants that have a cost, the cheapest first, with the Pareto front marked."""
    known = [
        (costs[size.variant], better * size.value, size) for size in sizes if size.variant in costs
    ]

    def beaten(cost: float, score: float) -> bool:
        rivals = [(c, s) for c, s, _ in known if (c, s) != (cost, score)]
        return any(c <= cost and s >= score for c, s in rivals)

    return [
        Point(
            name=size.name,
            cost=cost,
            value=size.value,
            low=size.low,
            high=size.high,
            front=not beaten(cost, score),
        )
        for cost, score, size in sorted(known, key=lambda each: (each[0], -each[1], each[2].name))
    ]


def spreads(metrics: Metrics, task: str) -> list[Spread]:
    """Of each metric over all rows, in the page's order; empty where the task has no seeds."""
    found = metrics.get("seeds", {}).get(task, {})
    return [
        Spread(
            title=labels.metric(metric).title,
            decimals=labels.metric(metric).decimals,
            mean=found[metric]["mean"],
            deviation=found[metric]["deviation"],
            values=found[metric]["seeds"],
        )
        for metric in sorted(found, key=labels.rank)
        if "/" not in metric
    ]


def steps(metrics: Metrics, task: str) -> list[Step]:
    """The way of the task's rows from raw to augmented, as far as it was gone."""
    fetched, clean, split, augmented = (
        metrics.get(stage, {}).get(task) for stage in ("fetch", "clean", "split", "augment")
    )
    found = []
    if fetched:
        dropped = fetched["unreadable_by_reason"]
        found.append(Step(title="raw", parts={"rows": fetched["rows"]}, dropped=dropped))
    if clean:
        found.append(Step(title="clean", parts={"rows": clean["kept"]}, dropped=clean["dropped"]))
    if split:
        parts = {name: split["rows"][name] for name in ("train", "validation", "test")}
        found.append(Step(title="split", parts=parts, dropped=split["dropped"]))
    if augmented:
        parts = {"train": augmented["originals"], "derived": augmented["derived"]}
        found.append(Step(title="augmented", parts=parts, dropped={}))
    return found


def signatures(metrics: Metrics, task: str) -> dict[str, str]:
    """What sacrebleu asks to be told beside each of its scores."""
    found = {}
    for name, content in metrics.get("evaluate", {}).items():
        for metric, entry in content.items():
            if name.startswith(f"{task}-") and isinstance(entry, dict) and "signature" in entry:
                found[metric] = entry["signature"]
    return dict(sorted(found.items()))


def view(
    task: str,
    figures: Sequence[Score],
    metrics: Metrics,
    latencies: Mapping[tuple[str, str], Any],
) -> View:
    """All of one task but its charts."""
    own = [figure for figure in figures if figure.task == task]
    scored = [f for f in own if f.stage in ("evaluate", "baseline") and f.n is not None]
    whole = [figure for figure in scored if "/" not in figure.metric]
    metric = main_metric(whole)
    sized = sizes(task, own, metric, latencies)
    return View(
        task=task,
        panels=panels(whole),
        domains=panels([f for f in scored if f.metric.startswith(f"{metric}/")]),
        effects=panels([f for f in own if f.stage == EFFECT and f.n is not None]),
        preferences=panels([f for f in own if f.stage == "evaluate-preferences"]),
        sizes=sized,
        pareto_points=pareto_points(sized, labels.metric(metric).better),
        spreads=spreads(metrics, task),
        steps=steps(metrics, task),
        signatures=signatures(metrics, task),
    )


def with_charts(bare: View, charts: Mapping[str, str]) -> View:
    """`bare` with SVG by name: of the stages whose loss it shows, and of its Pareto charts."""
    return replace(bare, charts=dict(charts))


def _ends(figure: Score, decimals: int) -> str:
    return f"{labels.number(figure.low, decimals)} – {labels.number(figure.high, decimals)}"
