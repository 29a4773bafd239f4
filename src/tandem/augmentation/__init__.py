"""Operations that derive new training rows: one a file, found by name.

An operation has `Params(Operation)` and one function:

    def apply(
        words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
    ) -> list[str]

`words` are those of one text; the ones that `tandem.text.words.free` does not name hold pieces
that must stay, whole and once each. The four operations are those of EDA (Wei & Zou 2019, "EDA:
Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks", section
2), with words of the training rows in place of WordNet's synonyms.
"""

from typing import ClassVar

from pydantic import Field

from tandem.core.params import Plugin


class Operation(Plugin):
    """What every operation's params have."""

    package: ClassVar[str] = "augmentation"
    rate: float = Field(gt=0, le=1, description="share of a text's words that are touched")
