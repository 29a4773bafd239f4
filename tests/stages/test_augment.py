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
LENT = AugmentationModels(forward="models/none", backward="models/none")
RUNTIME = Runtime(seed=13, threads=1, isa="avx2", device="cpu")
ALL = ["deletion", "insertion", "replacement", "swap"]
Rows = dict[str, list[Row]]


def put(task: str, rows: Sequence[Row]) -> None:
    """Seven rows of ten to train, one to validation, two to test, tidied as by cleaning."""
    spec, settings = tasks.load(task), params.load(clean.Params, task, "clean")
    tidy = [clean_row(row, spec, settings, Counter()) for row in rows]
    paths.split(task).mkdir(parents=True)
    places = ["train"] * 7 + ["validation"] + ["test"] * 2
    for name in SPLITS:
        own = [row for at, row in enumerate(tidy) if places[at % 10] == name]
        write_rows(paths.split(task) / f"{name}.parquet", own, spec.row)


def got(task: str) -> tuple[list[Row], list[Row], Any]:
    """The originals, the derived rows, and the metric."""
    spec = tasks.load(task)
    rows = list(read_rows(paths.augmented(task) / "train.parquet", spec.row))
    metric = io.read_json(paths.metrics("augment", task))
    count = metric["originals"]
    return rows[:count], rows[count:], metric


def settings(share: float = 1.0, rate: float = 0.2, kinds: Sequence[str] = ALL) -> augment.Params:
    operations = [{"kind": kind, "rate": rate} for kind in kinds]
    return augment.Params.model_validate({"operations": operations, "fraction": share})


@pytest.mark.parametrize("task", TASKS)
def test_originals_come_first_and_derived_rows_keep_all_but_their_text(
    project: Path, real: Rows, task: str
) -> None:
    put(task, real[task])
    message = augment.main(task)
    originals, derived, metric = got(task)
    assert message.startswith(f"{len(originals):,} originals and {len(derived):,} derived")
    assert message.endswith(f"; written to data/augmented/{task}")
    most = max(metric["operations"].values(), default=0)
    assert (f" {most:,}" in message.partition(" derived (")[2]) == bool(derived)
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
    share = params.load(augment.Params, task, "augment").fraction
    chosen = len(derived) + sum(metric["left_out"].values())
    assert chosen / len(originals) == pytest.approx(share, abs=0.04)


CHANGED = {"id", "text", "parent", "spans"}


def test_spans_of_derived_rows_say_what_they_said(real: Rows) -> None:
    task = tasks.load("intent")
    rows = [row for row in real["intent"] if isinstance(row, IntentRow)]
    derived, counts = derive(rows, set(), task, settings(rate=0.4), LENT, RUNTIME)
    parents = {row.id: row for row in rows}
    assert len(derived) > 0.8 * len(rows)
    assert set(ALL) <= set(counts)
    for row in derived:
        assert isinstance(row, IntentRow)
        assert row.parent is not None
        assert said(row) == said(parents[row.parent])


def said(row: IntentRow) -> list[tuple[str, str]]:
    return [(span.label, row.text[span.start : span.end]) for span in row.spans]


def test_no_held_out_text_comes_about() -> None:
    train = [movie("a", "one two"), movie("b", "red green")]
    held_out = {"one", "two"}
    rows, counts = derive(
        train,
        held_out,
        tasks.load("generation"),
        settings(rate=0.5, kinds=["deletion"]),
        LENT,
        RUNTIME,
    )
    assert counts == {"held_out_text": 1, "deletion": 1}
    assert [row.parent for row in rows] == ["b"]
    assert all(split_key_of(row, tasks.load("generation")) not in held_out for row in rows)


def movie(name: str, text: str) -> GenerationRow:
    return GenerationRow(id=name, group=name, domain="movie", text=text)


def test_what_becomes_of_a_row_does_not_hang_on_the_others(real: Rows) -> None:
    """As long as the vocabulary is the same: deletion and swap use none."""
    task, chosen = tasks.load("sentiment"), settings(share=0.5, kinds=["deletion", "swap"])
    whole, _ = derive(real["sentiment"], set(), task, chosen, LENT, RUNTIME)
    half, _ = derive(real["sentiment"][::2], set(), task, chosen, LENT, RUNTIME)
    ids = {row.id for row in real["sentiment"][::2]}
    assert [row for row in whole if row.parent in ids] == half


def test_another_seed_gives_other_rows(real: Rows) -> None:
    task = tasks.load("sentiment")
    other = RUNTIME.model_copy(update={"seed": 14})
    one, two = (
        derive(real["sentiment"], set(), task, settings(share=0.3), LENT, runtime)[0]
        for runtime in (RUNTIME, other)
    )
    assert one != two


@pytest.mark.parametrize("chosen", [settings(share=0.0), settings(kinds=[])])
def test_nothing_asked_for_gives_nothing(real: Rows, chosen: augment.Params) -> None:
    task = tasks.load("generation")
    assert derive(real["generation"], set(), task, chosen, LENT, RUNTIME) == ([], Counter())


def test_a_second_run_gives_the_same_bytes(project: Path, real: Rows) -> None:
    put("intent", real["intent"])
    runs = []
    for _ in range(2):
        augment.main("intent")
        files = [*sorted(paths.augmented("intent").iterdir()), paths.metrics("augment", "intent")]
        runs.append([file.read_bytes() for file in files])
    assert runs[0] == runs[1]


def test_missing_input_is_one_clear_line(project: Path) -> None:
    with pytest.raises(StageError, match="missing"):
        augment.main("sentiment")
