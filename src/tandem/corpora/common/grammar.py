"""Sample texts from a hassil grammar, with the span of every slot value.

`hassil.sample` yields texts only; this module walks the same expressions and records the spans:

    "turn on [the] lights in {area}"  →  "turn on lights in attic", [Span(18, 23, "area")]
"""

import random
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hassil.expression import (
    Alternative,
    Expression,
    Group,
    ListReference,
    Permutation,
    RuleReference,
    Sentence,
    TextChunk,
)

from tandem.core.rows import Span


class Value(NamedTuple):
    """A value of a slot; `reserved` is true if only one split may use the value."""

    text: str
    reserved: bool


class Piece(NamedTuple):
    """A part of a text; `label` is the name of the slot that the part fills, if any."""

    text: str
    label: str | None = None
    reserved: bool = False


class Sample(NamedTuple):
    """A text, its spans in order, and whether it contains a slot value reserved for one split."""

    text: str
    spans: list[Span]
    reserved: bool


class Sampler:
    """Samples texts from templates; `pick` chooses the value of a slot."""

    def __init__(
        self,
        rules: Mapping[str, Sentence],
        pick: Callable[[ListReference], Value],
        rng: random.Random,
    ) -> None:
        self._rules = rules
        self._pick = pick
        self._rng = rng

    def draw(self, sentence: Sentence) -> Sample:
        """Sample one text from a template."""
        return join(self.pieces(sentence.expression))

    def pieces(self, expression: Expression) -> list[Piece]:
        """Sample the parts of one text; all alternatives are equally likely."""
        if isinstance(expression, TextChunk):
            return [Piece(expression.original_text)]
        if isinstance(expression, RuleReference):
            return self.pieces(self._rules[expression.rule_name].expression)
        if isinstance(expression, ListReference):
            text, reserved = self._pick(expression)
            return [Piece(text, expression.slot_name, reserved)]
        if isinstance(expression, Alternative):
            return self.pieces(self._rng.choice(expression.items))
        if isinstance(expression, Group):
            items = list(expression.items)
            if isinstance(expression, Permutation):
                self._rng.shuffle(items)
            return [piece for item in items for piece in self.pieces(item)]
        raise TypeError(f"cannot sample from {expression!r}")


def join(pieces: list[Piece]) -> Sample:
    """Join the parts of a text, collapse its spaces, and compute the spans of its slot values.

    >>> join([Piece("dim  "), Piece(" "), Piece("attic", "area"), Piece(" ")])
    Sample(text='dim attic', spans=[Span(start=4, end=9, label='area')], reserved=False)
    """
    text = ""
    spans = []
    for piece in pieces:
        part = re.sub(r"\s+", " ", piece.text)
        if not text or text.endswith(" "):
            part = part.lstrip()
        if piece.label and part.strip():
            start = len(text) + len(part) - len(part.lstrip())
            spans.append(Span(start=start, end=len(text + part.rstrip()), label=piece.label))
        text += part
    return Sample(text.rstrip(), spans, any(piece.reserved for piece in pieces))
