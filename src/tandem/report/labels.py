"""How metrics, variants and reasons are called and written; what is not known goes by its name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetricLabel:
    """A metric's title, how to read it, its decimals, and whether more (1) or less (-1) is better.

    0 says neither: such a metric has no best.
    """

    title: str
    reading: str = ""
    decimals: int = 3
    better: int = 1


# In the order of the page; a task's first metric is its main one.
METRICS = {
    "accuracy": MetricLabel("Accuracy", "share of right labels"),
    "macro_f1": MetricLabel("Macro F1", "mean over classes"),
    "span_f1": MetricLabel("Span F1", "start, end and label right"),
    "bleu": MetricLabel("BLEU", "0 to 100", 1),
    "chrf": MetricLabel("chrF", "0 to 100", 1),
    "placeholders_kept": MetricLabel("Placeholders kept", "of texts that hold some, the share"),
    "bits_per_byte": MetricLabel("Bits per byte", "less is better", 3, -1),
    "pair_accuracy": MetricLabel("Pair accuracy", "share of pairs ranked as people did"),
    "win_rate": MetricLabel("Win rate", "against the base model"),
    "reward": MetricLabel("Reward", "mean over samples"),
    "vader": MetricLabel("VADER score", "mean over samples, -1 to 1"),
    "kl_per_token": MetricLabel("KL per token", "nats away from the base model", 3, 0),
    "kl_per_text": MetricLabel("KL per text", "nats away from the base model", 2, 0),
    "length": MetricLabel("Length", "tokens of a sample", 1, 0),
    "distinct_1": MetricLabel("Distinct words", "share of words said once"),
    "distinct_2": MetricLabel("Distinct pairs", "share of pairs of words said once"),
}

VARIANTS = {
    "base": "trained model",
    "aligned": "trained, then aligned with the reward",
    "int8": "eight-bit weights",
    "pruned": "fewer blocks, heads or units",
    "weights": "weights as integers, computed in fp32",
    "magnitude": "the smallest weights left out",
    "student": "fewer blocks, taught by the trained model",
    "onnx": "eight-bit graph in ONNX Runtime",
    "reward": "reward model",
    "judge": "judge with other raters and texts",
    "human": "one rater against the mean of the others",
    "baseline/majority": "the most frequent label",
    "baseline/tfidf": "linear machine over words",
    "baseline/vader": "rated words and rules",
    "baseline/copy": "the source as it is",
    "baseline/memory": "the nearest known text's translation",
    "baseline/lexicon": "word by word",
    "baseline/ngram": "byte n-grams",
    "baseline/unadapted": "pretrained, not adapted",
}


def metric(name: str) -> MetricLabel:
    """What is known of `name`, or of what stands before its slash: `accuracy/movie`."""
    stem = name.partition("/")[0]
    return METRICS.get(stem) or MetricLabel(stem.replace("_", " ").capitalize(), better=0)


def rank(name: str) -> tuple[int, str]:
    """The place of a metric in a list."""
    known = list(METRICS)
    return (known.index(name) if name in known else len(known), name)


def number(value: float | None, decimals: int = 3) -> str:
    """A number to `decimals` places; counts with thin groups of three; an empty one as a dash."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    return f"{value:.{decimals}f}".replace("-", "−")
