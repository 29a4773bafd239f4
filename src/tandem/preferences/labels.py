"""Labels of the metrics that preference stages report and that have no metric module.

This module is only for reports: no training stage imports it, so a new label does not cause
retraining.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetricLabel:
    """How reports show a metric."""

    title: str
    hint: str = ""
    """How to read a score, in a few words."""
    decimals: int = 3
    direction: int = 1
    """1 if higher is better, -1 if lower is better, 0 if neither, in which case no score is marked
    as the best."""


METRICS = {
    "win_rate": MetricLabel("Win rate", "against the base model"),
    "reward": MetricLabel("Reward", "mean over samples"),
    "vader": MetricLabel("VADER score", "mean over samples, -1 to 1"),
    "kl_per_token": MetricLabel("KL per token", "nats, relative to the base model", 3, 0),
    "kl_per_text": MetricLabel("KL per text", "nats, relative to the base model", 2, 0),
    "length": MetricLabel("Length", "tokens per sample", 1, 0),
    "distinct_1": MetricLabel("Distinct words", "unique words / all words"),
    "distinct_2": MetricLabel("Distinct bigrams", "unique bigrams / all bigrams"),
}
"""The labels of the metrics that have no metric module, in the order in which reports show them."""

ORDER = ("pair_accuracy", *METRICS)
"""All metrics of the preference stages, in the order in which reports show them."""
