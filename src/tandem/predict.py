"""A trained model's predictions for lines of text: one JSON object per line, printed immediately.

    echo "turn on the kitchen light" | tandem predict intent
    {"text": "turn on the kitchen light", "label": "HassTurnOn", "spans": [[12, 19, "area"]]}

Each line is cleaned with the same params as the training data (`TASK.clean`): the text is repaired
and personal data is masked. In the output, `text` is the cleaned text, which the model reads; spans
are character positions in this text. The filters in `TASK.clean` are not applied, so no line is
dropped. The prediction for an empty line has the same keys as other predictions, with null or empty
values.
"""

import dataclasses
import json
import os
import sys
import typing
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from tandem.core import determinism, io, params, paths
from tandem.core import task as tasks
from tandem.core.errors import DataError, StageError, TandemError
from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.text.cleaning import CleanParams, clean_row

if TYPE_CHECKING:
    from tandem.modeling.base import TextModel

MAX_NEW_TOKENS = 40
"""Maximum number of new tokens in the continuation of a text."""


def predict(task: str, variant: str = "base", batch: int = 1) -> None:
    """Print the prediction for each line of standard input as JSON Lines.

    Args:
        task: The name of the task.
        variant: The model folder in models/TASK.
        batch: Number of lines that the model processes at once.

    Raises:
        StageError: the model is missing.
        DataError: a line is not UTF-8.
        TandemError: `variant` names a model that makes no predictions.
    """
    project = params.project()
    runtime = project.runtime
    task_object = tasks.load(task)
    require_model(task_object, variant, project)
    clean_params = params.load(CleanParams, task, "clean")
    folder = paths.model(task, variant)
    if sys.stdin.isatty():
        how = "Type one text per line; Ctrl-D ends the input."
        print(f"Loading {folder}. {how}", file=sys.stderr)

    # The environment variables for determinism have to be set before torch is imported.
    os.environ.update(determinism.environment(runtime))
    from tandem import modeling
    from tandem.modeling.seeding import make_torch_deterministic

    make_torch_deterministic(runtime)
    model = modeling.load(folder, task_object)

    # The model makes predictions only for lines that are not empty. The prediction for an empty
    # line has the same keys as the model's predictions, with null or empty values.
    empty: dict[str, Any] = {}
    for texts in lines(sys.stdin.buffer, batch):
        rows = [
            clean_row(blank_row(task_object, text), task_object, clean_params, Counter())
            for text in texts
        ]
        rows_with_text = [row for row in rows if row.text]
        predictions = iter(answers(model, rows_with_text, runtime.seed) if rows_with_text else [])
        if len(rows_with_text) < len(rows) and not empty:
            empty = empty_answer(answers(model, [blank_row(task_object, "a")], runtime.seed)[0])
        for row in rows:
            answer = {"text": row.text, **(next(predictions) if row.text else empty)}
            print(json.dumps(answer, ensure_ascii=False), flush=True)


def require_model(task: BaseTask, variant: str, project: params.ProjectParams) -> None:
    """Check, before torch is imported, that a model exists and can make predictions.

    Raises:
        StageError: the model's folder is missing. The message names the command that writes the
            folder, or says that no stage writes it.
        TandemError: the model makes no predictions.
    """
    folder = paths.model(task.name, variant)
    # A pretrained generator can already continue texts; a pretrained encoder has no head for the
    # task.
    if variant in ("reward", "judge") or (variant == "pretrained" and task.family != "causal"):
        raise TandemError(
            f"the model in {folder} makes no predictions: set --variant to base, aligned or the "
            "name of a compression method"
        )
    written = {"pretrained", "base", *project.methods}
    if task.name in project.preferences:
        written.add("aligned")
    if variant not in written and not folder.exists():
        raise StageError(
            f"{folder} is missing, and no stage writes it: `methods` and `preferences` in "
            f"{paths.PARAMS} decide which models exist"
        )
    io.require_exists(folder)


def empty_answer(answer: dict[str, Any]) -> dict[str, Any]:
    """The prediction for an empty line: the keys of `answer`, each with an empty list or None.

    >>> empty_answer({"label": "HassTurnOn", "spans": [[12, 19, "area"]]})
    {'label': None, 'spans': []}
    """
    return {key: [] if isinstance(value, list) else None for key, value in answer.items()}


def lines(source: BinaryIO, batch: int) -> Iterator[list[str]]:
    """Read the lines of `source` in batches of at most `batch` lines.

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
        problem = f"standard input is not UTF-8: {error}"
        raise DataError(f"{problem}; convert the input with iconv") from None
    if texts:
        yield texts


def blank_row(task: BaseTask, text: str) -> Row:
    """A row of `task` with `text`; its other required fields are empty."""
    hints = typing.get_type_hints(task.row)
    fields: dict[str, Any] = {
        field.name: () if typing.get_origin(hints[field.name]) is tuple else hints[field.name]()
        for field in dataclasses.fields(task.row)
        if field.default is dataclasses.MISSING
    }
    return task.row(**{**fields, "text": text})


def answers(model: "TextModel", rows: Sequence[Row], seed: int) -> list[dict[str, Any]]:
    """The predictions of `model` for `rows`; a causal language model continues their texts."""
    from tandem.modeling.families.causal import Model
    from tandem.preferences import sampling
    from tandem.preferences.params import GenerationParams

    if not isinstance(model, Model):
        return model.predict(rows, len(rows))
    longest = max(len(row.text.split()) for row in rows)
    generation = GenerationParams(  # the whole text is the prompt
        prompt_words=max(1, longest), max_new_tokens=MAX_NEW_TOKENS, batch_size=len(rows)
    )
    samples = sampling.draw(model, generation, rows, seed)
    texts = [model.tokenizer.decode(s.completion_ids, skip_special_tokens=True) for s in samples]
    return [{"continuation": text} for text in texts]
