"""Answer lines of text with a trained model, as JSON lines, each as soon as it has come.

    echo "turn on the kitchen light" | tandem predict intent
    {"text": "turn on the kitchen light", "label": "HassTurnOn", "spans": [[12, 19, "area"]]}

A line is repaired and masked as the task's rows are before training (`TASK.clean`), and `text` is
what the model saw, so that spans count in it. No line is dropped: the filters are for training. To
an empty one there is no answer but its `text`.
"""

import dataclasses
import json
import os
import sys
import typing
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from tandem.core import determinism, params, paths
from tandem.core import task as tasks
from tandem.core.errors import DataError, TandemError
from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.text.cleaning import CleanParams, clean_row

if TYPE_CHECKING:
    from tandem.modeling.base import TextModel

NEW_TOKENS = 40
"""How far a generator goes on."""


def predict(task: str, variant: str = "base", batch: str = "1") -> None:
    """Answer each line of standard input by the model `variant` of `task`, `batch` lines at once.

    Raises:
        StageError: the model is missing.
        DataError: a line is not UTF-8.
        TandemError: `batch` is no number above 0, or `variant` is one that gives no answers.
    """
    if not batch.isdecimal() or int(batch) < 1:
        raise TandemError(f"--batch must be a number above 0, not {batch!r}")
    runtime = params.project().runtime
    known = tasks.load(task)
    # a generator can go on before it is adapted; an encoder has no head for the task yet
    if variant in ("reward", "judge") or (variant == "pretrained" and known.family != "causal"):
        raise TandemError(
            f"{paths.model(task, variant)} gives no answers: take base, aligned or a method's name"
        )
    settings = params.load(CleanParams, task, "clean")
    os.environ.update(determinism.environment(runtime))
    from tandem import modeling
    from tandem.modeling.seeding import make_torch_deterministic

    make_torch_deterministic(runtime)
    model = modeling.load(paths.model(task, variant), known)
    for texts in lines(sys.stdin.buffer, int(batch)):
        rows = [clean_row(blank_row(known, text), known, settings, Counter()) for text in texts]
        told = [row for row in rows if row.text]
        found = iter(answers(model, told, runtime.seed) if told else [])
        for row in rows:
            answer = {"text": row.text, **(next(found) if row.text else {})}
            print(json.dumps(answer, ensure_ascii=False), flush=True)


def lines(source: BinaryIO, batch: int) -> Iterator[list[str]]:
    """The lines of `source`, at the most `batch` together.

    Raises:
        DataError: a line is not UTF-8.
    """
    texts: list[str] = []
    try:
        for line in source:
            texts.append(line.decode("utf-8").rstrip("\r\n"))
            if len(texts) == batch:
                yield texts
                texts = []
    except UnicodeDecodeError as error:
        raise DataError(f"standard input is not UTF-8: {error}; convert it with iconv") from None
    if texts:
        yield texts


def blank_row(task: BaseTask, text: str) -> Row:
    """A row of `task` with `text` and nothing known of it."""
    hints = typing.get_type_hints(task.row)
    empty: dict[str, Any] = {
        field.name: () if typing.get_origin(hints[field.name]) is tuple else hints[field.name]()
        for field in dataclasses.fields(task.row)
        if field.default is dataclasses.MISSING
    }
    return task.row(**{**empty, "text": text})


def answers(model: "TextModel", rows: Sequence[Row], seed: int) -> list[dict[str, Any]]:
    """What `model` says of `rows`: its predictions, or how it goes on if it is a generator."""
    from tandem.modeling.families.causal import Model
    from tandem.preferences import sampling
    from tandem.preferences.params import GenerationParams

    if not isinstance(model, Model):
        return model.predict(rows, len(rows))
    longest = max(len(row.text.split()) for row in rows)
    prompting = GenerationParams(
        prompt_words=max(1, longest), max_new_tokens=NEW_TOKENS, batch_size=len(rows)
    )
    samples = sampling.draw(model, prompting, rows, seed)
    drawn = [model.tokenizer.decode(s.completion_ids, skip_special_tokens=True) for s in samples]
    return [{"continuation": text} for text in drawn]
