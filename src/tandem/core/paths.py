"""Paths of all artifacts, relative to the project's root, in topological order.

raw → clean → split → augmented → models → reports. dvc.yaml uses the same paths;
tests/engines/test_plan.py checks this.
"""

from pathlib import Path

PARAMS = Path("params.yaml")
DAG = Path("dvc.yaml")
LOCK = Path("dvc.lock")
REQUIREMENTS = Path("requirements.lock")
SOURCE = Path("src")
CODE = Path("workflow/code")
"""STAGE.json, STAGE/TASK.json or STAGE/TASK-METHOD.json: digests of the code that a stage runs. The
stage `code` writes these files."""
RECORDS = Path("reports/lineage")
"""STAGE.json, STAGE/TASK.json or STAGE/TASK-METHOD.json: the record of a stage's run."""
DETAILS = Path("reports/details")
"""STAGE/TASK.json or STAGE/TASK-VARIANT.json: everything that a stage measured."""
METRICS = Path("reports/metrics")
"""TASK/VARIANT.json: main scores, keyed by metric name."""
SPLITS = ("train", "validation", "test")
JUDGE = "judge"
"""Name of the split with the rows that `judge_holdout` holds out for an independent judge."""

ROWS = "rows.parquet"
DROPPED = "dropped.parquet"
CARD = "README.md"
VARIANTS = ("pretrained", "base", "reward", "judge", "aligned")
"""Names of the model folders of a task, except those that compression methods write."""
METHOD = "tandem.json"
"""File in a compressed model's folder that names the method whose `restore` loads the model."""


def raw(task: str) -> Path:
    """The folder with rows.parquet, unreadable.parquet and the data card README.md."""
    return Path("data/raw") / task


def clean(task: str) -> Path:
    """The folder with rows.parquet (kept rows) and dropped.parquet (dropped rows with reasons)."""
    return Path("data/clean") / task


def split(task: str) -> Path:
    """The folder with one Parquet file per split, dropped.parquet and possibly judge.parquet."""
    return Path("data/split") / task


def augmented(task: str) -> Path:
    """The folder with train.parquet: the training rows and the rows derived from them."""
    return Path("data/augmented") / task


def preferences(task: str, judge: str) -> Path:
    """The file with the pairs of texts that a scorer, `reward` or `judge`, is trained on."""
    return Path("data/preferences") / task / f"{judge}.parquet"


def model(task: str, variant: str) -> Path:
    """A model folder; `variant` is one of `VARIANTS` or the name of a compression method."""
    return Path("models") / task / variant


def details(stage: str, name: str) -> Path:
    """The file with everything that a run of a stage measured; `name` is TASK or TASK-VARIANT."""
    return DETAILS / stage / f"{name}.json"


def metrics(task: str, variant: str) -> Path:
    """The file with the main scores of a variant of a task's model, for `dvc metrics show`."""
    return METRICS / task / f"{variant}.json"


def plots(stage: str, name: str) -> Path:
    """The CSV file with the data of a DVC plot."""
    return Path("reports/plots") / stage / f"{name}.csv"


def predictions(task: str, variant: str) -> Path:
    """The file with a model variant's predictions for the test rows, and statistics per row."""
    return Path("reports/predictions") / task / f"{variant}.parquet"


def baseline_predictions(task: str) -> Path:
    """A folder with one table of predictions per baseline."""
    return Path("reports/predictions") / task / "baseline"


def preference_predictions(task: str) -> Path:
    """A folder with pairs.parquet and samples.parquet, both with the scores of all scorers."""
    return Path("reports/predictions") / task / "preferences"


def is_code(path: str) -> bool:
    """Whether a stage's input is source code, a code digest, requirements.lock or dvc.yaml.

    All other inputs are data.
    """
    return path.startswith((f"{SOURCE}/", f"{CODE}/")) or path in map(str, (REQUIREMENTS, DAG))


def overlap(first: str, second: str) -> bool:
    """Whether two paths are the same or one contains the other.

    >>> overlap("data/raw", "data/raw/intent"), overlap("data/raw", "data/raw2")
    (True, False)
    """
    return f"{first}/".startswith(f"{second}/") or f"{second}/".startswith(f"{first}/")
