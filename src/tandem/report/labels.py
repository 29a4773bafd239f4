"""Titles of metrics, labels of variants, and the format of numbers.

The labels are constants in the module of each metric, baseline and compression method. These
constants are read without importing the module, because the import may need torch.
"""

from tandem.core import registry
from tandem.core import task as tasks
from tandem.preferences import labels as preference_labels
from tandem.preferences.labels import MetricLabel

ROLES = {
    "base": "trained model",
    "aligned": "trained model, aligned with the reward model",
    "reward": "reward model",
    "judge": "judge, trained on texts and ratings that the reward model was not trained on",
    "human": "each rater, compared with the mean of the other raters",
}
"""Labels of the variants for which no plug-in defines a label."""


def metric(name: str) -> MetricLabel:
    """The label of a metric; a slice such as `accuracy/movie` has the label of `accuracy`.

    A metric without a label is shown under its name, and none of its scores is marked as best.
    """
    stem = name.partition("/")[0]
    constants = registry.constants("metrics", stem)
    if "TITLE" in constants:
        return MetricLabel(
            constants["TITLE"],
            constants["HINT"],
            constants["DECIMALS"],
            -1 if constants["LOWER_IS_BETTER"] else 1,
        )
    by_name = MetricLabel(stem.replace("_", " ").capitalize(), direction=0)
    return preference_labels.METRICS.get(stem, by_name)


def metric_order(task_name: str) -> list[str]:
    """The metrics of a task and of the preference stages, in the order in which they are shown."""
    return list(dict.fromkeys([*tasks.load(task_name).metrics, *preference_labels.ORDER]))


def variant(name: str) -> str:
    """The label of a variant, or its name if it has no label."""
    if name in ROLES:
        return ROLES[name]
    folder, _, method = name.rpartition("/")
    if folder == "baseline":
        constants = registry.constants("baselines", method)
    else:
        constants = registry.constants("compression", method)
    return str(constants.get("LABEL", method))


def number(value: float | None, decimals: int = 3) -> str:
    """A formatted number: a float to `decimals` places, an integer in groups of three digits.

    >>> number(0.12345), number(None)
    ('0.123', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    return f"{value:.{decimals}f}".replace("-", "−")
