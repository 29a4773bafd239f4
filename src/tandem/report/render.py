"""Views → HTML and Markdown. Everything from outside is escaped: only our own SVG is not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tandem.report import labels
from tandem.report.views import Size, View


def page(views: Sequence[View], machine: Mapping[str, Any]) -> str:
    """The page, one file without a script or anything to load."""
    style = resources.files("tandem.report").joinpath("templates/style.css").read_text("utf-8")
    drawn = [
        replace(view, charts={name: Markup(svg) for name, svg in view.charts.items()})  # noqa: S704
        for view in views
    ]
    template = _environment().get_template("page.html.j2")
    return template.render(views=drawn, machine=machine, style=Markup(style))  # noqa: S704


def data_card(view: View, fetched: Mapping[str, Any]) -> str:
    """A task's data: where its rows went, what they are of."""
    return _environment().get_template("data_card.md.j2").render(view=view, fetched=fetched)


def model_card(view: View, size: Size, trained: Mapping[str, Any]) -> str:
    """A variant's card, its scores as the hub's model index ahead."""
    marks = [(p, m) for p in view.panels for m in p.marks if m.figure.variant == size.variant]
    template = _environment().get_template("model_card.md.j2")
    head = Markup(_index(view, size))  # noqa: S704
    return template.render(view=view, size=size, marks=marks, trained=trained, head=head)


def _index(view: View, size: Size) -> str:
    """The card's metadata, as YAML: https://huggingface.co/docs/hub/model-cards."""
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type=view.task,
            dataset_type=view.task,
            dataset_name=f"Tandem {view.task}, test rows",
            dataset_split="test",
            metric_type=panel.metric,
            metric_name=panel.name.title,
            metric_value=mark.figure.value,
        )
        for panel in view.panels
        for mark in panel.marks
        if mark.figure.variant == size.variant
    ]
    name = f"tandem-{view.task}-{size.variant}"
    return str(ModelCardData(model_name=name, eval_results=results).to_yaml())


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("tandem.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["number"] = labels.number
    found.filters["cell"] = lambda text: str(text).replace("|", "/").replace("\n", " ")
    return found
