"""Where everything lies, relative to the project's root: the way of the data in one page.

raw → clean → split → augmented → models → reports. dvc.yaml names the same paths;
`tests/test_dag.py` holds the two together.
"""

from pathlib import Path

PARAMS = Path("params.yaml")
DAG = Path("dvc.yaml")
LOCK = Path("dvc.lock")
REQUIREMENTS = Path("requirements.lock")
SOURCE = Path("src")
CODE = Path("workflow/code")
"""STAGE/TASK….json: the code that a stage runs, by digests; written by the stage `code`."""
RECORDS = Path("reports/lineage")
"""STAGE.json or STAGE/TASK….json: what each stage recorded of its run."""
DETAILS = Path("reports/details")
"""STAGE/TASK….json: what each stage measured, with intervals, domains and counts."""
METRICS = Path("reports/metrics")
"""TASK/VARIANT.json: main scores, by the names of the metrics."""
SPLITS = ("train", "validation", "test")
JUDGE = "judge"
"""The part of a split that an independent judge learns from, where params set one aside."""

ROWS = "rows.parquet"
DROPPED = "dropped.parquet"
CARD = "README.md"
METHOD = "tandem.json"
"""In a compressed model's folder: the method whose `restore` reads it."""


def raw(task: str) -> Path:
    """rows.parquet, unreadable.parquet and the data card README.md, as fetched."""
    return Path("data/raw") / task


def clean(task: str) -> Path:
    """rows.parquet (kept) and dropped.parquet (dropped, each with its reason)."""
    return Path("data/clean") / task


def split(task: str) -> Path:
    """train.parquet, validation.parquet, test.parquet, maybe judge.parquet; dropped.parquet."""
    return Path("data/split") / task


def augmented(task: str) -> Path:
    """train.parquet: the training rows and the rows derived from them."""
    return Path("data/augmented") / task


def preferences(task: str, judge: str) -> Path:
    """The pairs of texts that a judge (reward, judge) was fitted to."""
    return Path("data/preferences") / task / f"{judge}.parquet"


def model(task: str, variant: str) -> Path:
    """A model folder: pretrained, base, reward, judge, aligned, or named after a method."""
    return Path("models") / task / variant


def details(stage: str, name: str) -> Path:
    """Everything that one run of a stage measured; `name` is TASK or TASK-VARIANT."""
    return DETAILS / stage / f"{name}.json"


def metrics(task: str, variant: str) -> Path:
    """The main scores of one variant of a task's model: what `dvc metrics show` prints."""
    return METRICS / task / f"{variant}.json"


def plots(stage: str, name: str) -> Path:
    """The table behind a DVC plot."""
    return Path("reports/plots") / stage / f"{name}.csv"


def predictions(task: str, variant: str) -> Path:
    """What a variant answered on each test row, with per-row statistics."""
    return Path("reports/predictions") / task / f"{variant}.parquet"


def baseline_predictions(task: str) -> Path:
    """A folder with a table per baseline, like that of a variant."""
    return Path("reports/predictions") / task / "baseline"


def preference_predictions(task: str) -> Path:
    """pairs.parquet and samples.parquet, each with the scores of all scorers."""
    return Path("reports/predictions") / task / "preferences"


def is_code(path: str) -> bool:
    """Whether an input of a stage describes code and package versions, and is not data."""
    return path.startswith((f"{SOURCE}/", f"{CODE}/")) or path in map(str, (REQUIREMENTS, DAG))


def overlap(one: str, other: str) -> bool:
    """Whether two paths are the same or one lies below the other.

    >>> overlap("data/raw", "data/raw/intent"), overlap("data/raw", "data/raw2")
    (True, False)
    """
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
