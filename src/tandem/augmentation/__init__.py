"""Operations that derive new training rows: one a file, found by name.

An operation has `Params(Operation)` and one function. Where each text is changed by itself:

    def apply(
        words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
    ) -> list[str]

Where a model changes all texts together:

    def apply_all(drafts: Sequence[Draft], given: Given, params: Params) -> list[str]

`words` are those of one text; the ones that `tandem.text.words.free` does not name hold pieces
that must stay, whole and once each. Four operations are those of EDA (Wei & Zou 2019, "EDA:
Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks", section
2), with words of the training rows in place of WordNet's synonyms; `synonym` takes those.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from pydantic import Field

from tandem.core.params import Lent, Plugin, Runtime
from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.text.protected import HIDDEN, frozen, hide, shown


class Operation(Plugin):
    """What every operation's params have."""

    package: ClassVar[str] = "augmentation"


class WordOperation(Operation):
    """What the params of an operation on words have."""

    rate: float = Field(gt=0, le=1, description="share of a text's words that are touched")


@dataclass(frozen=True, slots=True)
class Draft:
    """A row that an operation is to change, and the random stream that is this row's own.

    `text` is the row's, with each of `pieces`, which must stay, hidden behind one character.
    """

    row: Row
    text: str
    pieces: list[str]
    rng: Random

    def shown(self, text: str) -> str:
        """`text` with its hidden pieces, as a model reads it."""
        return shown(text, self.pieces)


@dataclass(frozen=True, slots=True)
class Given:
    """What all texts of a task are changed with."""

    task: BaseTask
    vocabulary: Sequence[str]
    """The words of the training rows, each as often as it occurs."""
    lent: Lent
    """The model folders that `augmenting.TASK` names: the only ones that DVC watches here."""
    runtime: Runtime


def draft(row: Row, task: BaseTask, rng: Random) -> Draft:
    """`row` with all that must stay hidden."""
    pieces = frozen(row, task)
    return Draft(row, hide(row.text, pieces), [row.text[slice(*piece)] for piece in pieces], rng)


def apply(operation: Operation, drafts: Sequence[Draft], given: Given) -> list[str]:
    """What `operation` makes of each draft's text, each hidden piece still in it, and once."""
    module = operation.module
    if hasattr(module, "apply_all"):
        found: list[str] = module.apply_all(drafts, given, operation)
        return found
    return [
        " ".join(module.apply(each.text.split(), each.rng, given.vocabulary, operation))
        for each in drafts
    ]


def without_pieces(text: str) -> str:
    """`text` with a space in place of each hidden piece."""
    return HIDDEN.sub(" ", text)
