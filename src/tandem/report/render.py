"""Render `View` objects as HTML and Markdown.

All text is HTML-escaped, except SVG, CSS and front matter, which come from Tandem itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tandem.report import labels, scores
from tandem.report.scores import Metrics
from tandem.report.views import Size, View


def page(views: Sequence[View], machine: Mapping[str, Any]) -> str:
    """The report as one HTML page that runs no script and loads no other file.

    Args:
        views: One `View` per task, in the order in which the page shows the tasks.
        machine: The machine on which the latencies were measured: property → value.
    """
    style = resources.files("tandem.report").joinpath("templates/style.css").read_text("utf-8")
    marked_up = [
        replace(view, charts={name: Markup(svg) for name, svg in view.charts.items()})  # noqa: S704
        for view in views
    ]
    template = _environment().get_template("page.html.j2")
    return template.render(views=marked_up, machine=machine, style=Markup(style))  # noqa: S704


def data_card(view: View, fetched: Mapping[str, Any]) -> str:
    """The data card of a task: row counts by preparation step, by domain and by label."""
    return _environment().get_template("data_card.md.j2").render(view=view, fetched=fetched)


def model_card(view: View, size: Size, trained: Mapping[str, Any]) -> str:
    """The model card of a variant, with its scores in the front matter as a `model-index`.

    Args:
        view: The `View` of the task.
        size: The variant's name, size and score.
        trained: The metrics of the variant's training; empty for variants made from the base model.
    """
    marks = [(p, m) for p in view.panels for m in p.marks if m.score.variant == size.variant]
    template = _environment().get_template("model_card.md.j2")
    front_matter = Markup(_front_matter(view, size))  # noqa: S704
    return template.render(
        view=view, size=size, marks=marks, trained=trained, front_matter=front_matter
    )


def cards(shown: Sequence[View], metrics: Metrics) -> dict[str, str]:
    """File name → text of each card: a data card per task, and a model card per evaluated model."""
    texts = {}
    for view in shown:
        fetched = scores.of(metrics, scores.FETCH, view.task)
        trained = scores.of(metrics, scores.TRAIN, view.task)
        texts[f"data-{view.task}.md"] = data_card(view, fetched)
        for size in (size for size in view.sizes if size.published):
            own_training = trained if size.variant == "base" else {}
            texts[f"{view.task}-{size.variant}.md"] = model_card(view, size, own_training)
    return texts


def _front_matter(view: View, size: Size) -> str:
    """The card's metadata as YAML (see https://huggingface.co/docs/hub/model-cards)."""
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type=view.task,
            dataset_type=view.task,
            dataset_name=f"Tandem {view.task}, test rows",
            dataset_split="test",
            metric_type=panel.metric,
            metric_name=panel.label.title,
            metric_value=mark.score.value,
        )
        for panel in view.panels
        for mark in panel.marks
        if mark.score.variant == size.variant
    ]
    name = f"tandem-{view.task}-{size.variant}"
    return str(ModelCardData(model_name=name, eval_results=results).to_yaml())


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tandem.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = labels.number
    environment.filters["cell"] = lambda text: str(text).replace("|", "/").replace("\n", " ")
    return environment
