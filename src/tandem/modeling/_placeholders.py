"""Placeholders as numbers: `{name}` of a text becomes `{0}`, and is put back afterwards.

An unseen component has placeholders that no training row had; numbered, they are tokens like any
other, and each one of a source can be counted in its translation.
"""

from collections.abc import Sequence

from torch import Tensor
from transformers import LogitsProcessor

from tandem.core.task import PLACEHOLDER

MOST = 10
MARKS = tuple(f"{{{number}}}" for number in range(MOST))
"""The placeholders a masked text may have; further ones stay as they are written."""


def names(text: str) -> list[str]:
    """The different placeholders of a text, in the order of their first use, `MOST` at most."""
    return list(dict.fromkeys(PLACEHOLDER.findall(text)))[:MOST]


def mask(text: str, known: Sequence[str]) -> str:
    """`text` with each placeholder of `known` as its number.

    >>> mask("{b} and {a}", ["{a}", "{b}"])
    '{1} and {0}'
    """
    marks = dict(zip(known, MARKS, strict=False))
    return PLACEHOLDER.sub(lambda found: marks.get(found[0], found[0]), text)


def unmask(text: str, known: Sequence[str]) -> str:
    """The inverse of `mask`; a number that stands for none of `known` is left out."""
    meant = dict(zip(MARKS, [*known, *[""] * len(MARKS)], strict=False))
    return PLACEHOLDER.sub(lambda found: meant.get(found[0], found[0]), text)


class KeepPlaceholders(LogitsProcessor):  # type: ignore[misc]
    """Let a translation end only when each placeholder of its source stands in it.

    Where one is missing, what would end the text goes to it instead; one that the source does not
    have cannot be generated. `marks` are the placeholders' token ids, `source` the input's,
    (batch, length), and `end` is the token that ends a text.
    """

    def __init__(self, marks: Sequence[int], source: Tensor, end: int) -> None:
        self.marks = list(marks)
        self.source = source
        self.end = end

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores of the next token, (batch · beams, vocabulary), with what may not be at −inf."""
        beams = len(input_ids) // len(self.source)
        scores = scores.clone()
        endings = scores[:, self.end].clone()
        for mark in self.marks:
            wanted = self.source.eq(mark).any(-1).repeat_interleave(beams)
            missing = wanted & ~input_ids.eq(mark).any(-1)
            column = scores[:, mark].maximum(endings.where(missing, scores[:, mark]))
            scores[:, mark] = column.masked_fill(~wanted, -float("inf"))
            scores[:, self.end] = scores[:, self.end].masked_fill(missing, -float("inf"))
        return scores
