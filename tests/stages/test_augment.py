"""The augment stage on real rows."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tandem.augmentation.common.derive import derive
from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.errors import StageError
from tandem.core.params import AugmentationModels, Runtime
from tandem.core.paths import SPLITS
from tandem.core.rows import Row, read_rows, write_rows
from tandem.core.task import PLACEHOLDER
from tandem.stages import augment, clean
from tandem.tasks.generation import GenerationRow
from tandem.tasks.intent import IntentRow
from tandem.text.cleaning import clean_row
from tandem.text.leakage import split_key_of

TASKS = ["generation", "translation", "intent", "sentiment"]
MODELS = AugmentationModels(forward="models/none", backward="models/none")
RUNTIME = Runtime(seed=13, threads=1, isa="avx2", device="cpu")
ALL = ["deletion", "insertion", "replacement", "swap"]
Rows = dict[str, list[Row]]


def write_splits(task: str, rows: Sequence[Row]) -> None:
    """Clean the rows; of every ten, write seven to train, one to validation and two to test."""
    spec, clean_params = tasks.load(task), params.load(clean.Params, task, "clean")
    cleaned = [clean_row(row, spec, clean_params, Counter()) for row in rows]
    paths.split(task).mkdir(parents=True)
    split_names = ["train"] * 7 + ["validation"] + ["test"] * 2
    for name in SPLITS:
        split_rows = [row for i, row in enumerate(cleaned) if split_names[i % 10] == name]
        write_rows(paths.split(task) / f"{name}.parquet", split_rows, spec.row)


def read_outputs(task: str) -> tuple[list[Row], list[Row], Any]:
    """Return the original rows, the derived rows, and the metrics."""
    spec = tasks.load(task)
    rows = list(read_rows(paths.augmented(task) / "train.parquet", spec.row))
    metric = io.read_details(paths.details("augment", task))
    count = metric["originals"]
    return rows[:count], rows[count:], metric


def augment_params(
    fraction: float = 1.0, rate: float = 0.2, kinds: Sequence[str] = ALL
) -> augment.Params:
    operations = [{"kind": kind, "rate": rate} for kind in kinds]
    return augment.Params.model_validate({"operations": operations, "fraction": fraction})


@pytest.mark.parametrize("task", TASKS)
def test_derived_rows_follow_the_originals_and_keep_all_fields_but_the_text(
    project: Path, real_rows: Rows, task: str
) -> None:
    write_splits(task, real_rows[task])
    message = augment.main(task)
    originals, derived, metric = read_outputs(task)
    assert message.startswith(f"{len(originals):,} original rows and {len(derived):,} derived row")
    assert message.endswith(f"; written to data/augmented/{task}")
    highest = max(metric["operations"].values(), default=0)
    assert (f" {highest:,}" in message.partition(" (")[2]) == bool(derived)
    spec = tasks.load(task)
    assert originals == read_rows(paths.split(task) / "train.parquet", spec.row)
    parents = {row.id: row for row in originals}
    kept = [name for name in spec.row.__dataclass_fields__ if name not in CHANGED]
    for row in derived:
        assert row.parent is not None
        parent = parents[row.parent]
        assert row.id.startswith(f"{parent.id}~")
        assert row.text != parent.text
        assert [getattr(row, name) for name in kept] == [getattr(parent, name) for name in kept]
        assert sorted(PLACEHOLDER.findall(row.text)) == sorted(PLACEHOLDER.findall(parent.text))
    assert len({row.id for row in originals + derived}) == len(originals + derived)
    assert metric["derived"] == len(derived) == sum(metric["operations"].values())
    fraction = params.load(augment.Params, task, "augment").fraction
    sampled = len(derived) + sum(metric["left_out"].values())
    assert sampled / len(originals) == pytest.approx(fraction, abs=0.04)


CHANGED = {"id", "text", "parent", "spans"}


def test_spans_of_derived_rows_keep_their_text(real_rows: Rows) -> None:
    task = tasks.load("intent")
    rows = [row for row in real_rows["intent"] if isinstance(row, IntentRow)]
    derived, counts = derive(rows, set(), task, augment_params(rate=0.4), MODELS, RUNTIME)
    parents = {row.id: row for row in rows}
    assert len(derived) > 0.8 * len(rows)
    assert set(ALL) <= set(counts)
    for row in derived:
        assert isinstance(row, IntentRow)
        assert row.parent is not None
        assert span_texts(row) == span_texts(parents[row.parent])


def span_texts(row: IntentRow) -> list[tuple[str, str]]:
    return [(span.label, row.text[span.start : span.end]) for span in row.spans]


def test_no_held_out_text_is_derived() -> None:
    train = [movie("a", "one two"), movie("b", "red green")]
    held_out = {"one", "two"}
    rows, counts = derive(
        train,
        held_out,
        tasks.load("generation"),
        augment_params(rate=0.5, kinds=["deletion"]),
        MODELS,
        RUNTIME,
    )
    assert counts == {"held_out_text": 1, "deletion": 1}
    assert [row.parent for row in rows] == ["b"]
    assert all(split_key_of(row, tasks.load("generation")) not in held_out for row in rows)


def movie(name: str, text: str) -> GenerationRow:
    return GenerationRow(id=name, group=name, domain="movie", text=text)


def test_a_derived_row_does_not_depend_on_other_rows(real_rows: Rows) -> None:
    """Rows affect each other only through the vocabulary, which deletion and swap do not use."""
    task, stage_params = (
        tasks.load("sentiment"),
        augment_params(fraction=0.5, kinds=["deletion", "swap"]),
    )
    all_derived, _ = derive(real_rows["sentiment"], set(), task, stage_params, MODELS, RUNTIME)
    half_derived, _ = derive(
        real_rows["sentiment"][::2], set(), task, stage_params, MODELS, RUNTIME
    )
    ids = {row.id for row in real_rows["sentiment"][::2]}
    assert [row for row in all_derived if row.parent in ids] == half_derived


def test_another_seed_gives_other_rows(real_rows: Rows) -> None:
    task = tasks.load("sentiment")
    other_runtime = RUNTIME.model_copy(update={"seed": 14})
    first, second = (
        derive(real_rows["sentiment"], set(), task, augment_params(fraction=0.3), MODELS, runtime)[
            0
        ]
        for runtime in (RUNTIME, other_runtime)
    )
    assert first != second


@pytest.mark.parametrize("stage_params", [augment_params(fraction=0.0), augment_params(kinds=[])])
def test_a_zero_fraction_or_no_operation_derives_nothing(
    real_rows: Rows, stage_params: augment.Params
) -> None:
    task = tasks.load("generation")
    assert derive(real_rows["generation"], set(), task, stage_params, MODELS, RUNTIME) == (
        [],
        Counter(),
    )


def test_a_second_run_gives_the_same_bytes(project: Path, real_rows: Rows) -> None:
    write_splits("intent", real_rows["intent"])
    runs = []
    for _ in range(2):
        augment.main("intent")
        files = [*sorted(paths.augmented("intent").iterdir()), paths.details("augment", "intent")]
        runs.append([file.read_bytes() for file in files])
    assert runs[0] == runs[1]


def test_a_missing_input_is_an_error(project: Path) -> None:
    with pytest.raises(StageError, match="missing"):
        augment.main("sentiment")
