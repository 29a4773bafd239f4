"""Placeholders as numbers: `{name}` of a text becomes `{0}`, and is put back afterwards.

An unseen component has placeholders that no training row had; numbered, they are tokens like any
other, and each one of a source can be counted in its translation.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor

from tandem.core.task import PLACEHOLDER

MOST = 10
MARKS = tuple(f"{{{number}}}" for number in range(MOST))
"""The placeholders a masked text may have; further ones stay as they are written."""


def names(text: str) -> list[str]:
    """The different placeholders of a text, in the order of their first use, `MOST` at most."""
    return list(dict.fromkeys(PLACEHOLDER.findall(text)))[:MOST]


def counts(text: str) -> list[int]:
    """How often each of a text's `names` stands in it, then zeros, `MOST` numbers.

    >>> counts("{b} and {a} and {b}")[:3]
    [2, 1, 0]
    """
    found = PLACEHOLDER.findall(text)
    return [found.count(name) for name in (*names(text), *[""] * MOST)][:MOST]


def number_placeholders(text: str, known: Sequence[str]) -> str:
    """`text` with each placeholder of `known` as its number.

    >>> mask("{b} and {a}", ["{a}", "{b}"])
    '{1} and {0}'
    """
    marks = dict(zip(known, MARKS, strict=False))
    return PLACEHOLDER.sub(lambda found: marks.get(found[0], found[0]), text)


def restore_placeholders(text: str, known: Sequence[str]) -> str:
    """The inverse of `mask`; a number that stands for none of `known` is left out."""
    meant = dict(zip(MARKS, [*known, *[""] * len(MARKS)], strict=False))
    return PLACEHOLDER.sub(lambda found: meant.get(found[0], found[0]), text)


class PlaceholderConstraint(LogitsProcessor):  # type: ignore[misc]
    """Let a translation end when its source's placeholders stand in it as often, and in time.

    Where one is missing, what would end the text goes to it instead; one that the source does not
    have cannot be generated. Once only `longest` leaves room for the missing ones and the end,
    these are all that may follow.
    """

    def __init__(self, marks: Tensor, wanted: Tensor, longest: Tensor, end: int) -> None:
        """`marks`: the placeholders' tokens, (marks,); `end`: the token that ends a text.

        `wanted`: how often each of them stands in the source, (batch, marks); `longest`: how many
        tokens a translation may have, its first and its end counted, (batch,).
        """
        self.marks = marks
        self.wanted = wanted
        self.longest = longest
        self.end = end

    def leave(self, chosen: Tensor) -> None:
        """Go on with the `chosen` texts of the batch alone, (batch,) of bool."""
        self.wanted, self.longest = self.wanted[chosen], self.longest[chosen]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores of the next token, (batch · beams, vocabulary), with what may not be at −∞."""
        beams = len(input_ids) // len(self.wanted)
        wanted = self.wanted.repeat_interleave(beams, 0)
        lacking = (wanted - input_ids[:, None].eq(self.marks[:, None]).sum(-1)).clamp(min=0)
        missing = lacking > 0
        never = torch.full_like(scores, -torch.inf)

        ending = scores[:, self.end, None]
        marked = scores[:, self.marks]
        marked = (
            marked.maximum(ending).where(missing, marked).where(wanted > 0, never[:, self.marks])
        )
        free = scores.index_copy(1, self.marks, marked)
        free[:, self.end] = never[:, 0].where(missing.any(1), ending.squeeze(1))

        last = never.index_copy(1, self.marks, marked.where(missing, never[:, self.marks]))
        last[:, self.end] = never[:, 0].where(missing.any(1), 0.0)
        room = self.longest.repeat_interleave(beams) - input_ids.shape[1]
        return last.where((room <= lacking.sum(1) + 1)[:, None], free)
