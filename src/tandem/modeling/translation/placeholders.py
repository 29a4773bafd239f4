"""Number the placeholders of a text: `{name}` becomes `{0}`, and is restored after translation.

A new text may contain placeholders that occur in no training row. Numbered placeholders are tokens
of the vocabulary, so the network can generate them, and their occurrences can be counted.
"""

import re
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor

from tandem.core.task import PLACEHOLDER

MAX_NAMES = 10
MARKS = tuple(f"{{{number}}}" for number in range(MAX_NAMES))
"""The numbered placeholders; any further placeholders of a text keep their names."""


def names(text: str) -> list[str]:
    """The distinct placeholders of a text in the order of their first use, at most `MAX_NAMES`.

    If a text contains more than `MAX_NAMES` placeholders, those that look like numbered
    placeholders are chosen first: if they kept their names, they would be mistaken for numbered
    placeholders.
    """
    distinct = list(dict.fromkeys(PLACEHOLDER.findall(text)))
    chosen = sorted(distinct, key=lambda name: name not in MARKS)[:MAX_NAMES]
    return sorted(chosen, key=distinct.index)


def counts(text: str) -> list[int]:
    """How often each of `names(text)` occurs in `text`: `MAX_NAMES` counts, padded with zeros.

    >>> counts("{b} and {a} and {b}")[:3]
    [2, 1, 0]
    """
    placeholders = PLACEHOLDER.findall(text)
    return [placeholders.count(name) for name in (*names(text), *[""] * MAX_NAMES)][:MAX_NAMES]


def number_placeholders(text: str, placeholders: Sequence[str]) -> str:
    """`text` with each of `placeholders` replaced by its number.

    >>> number_placeholders("{b} and {a}", ["{a}", "{b}"])
    '{1} and {0}'
    """
    marks = dict(zip(placeholders, MARKS, strict=False))
    return PLACEHOLDER.sub(lambda match: marks.get(match[0], match[0]), text)


def restore_placeholders(text: str, placeholders: Sequence[str]) -> str:
    """The inverse of `number_placeholders`.

    A numbered placeholder that corresponds to none of `placeholders` is removed.
    """
    originals = dict(zip(MARKS, [*placeholders, *[""] * len(MARKS)], strict=False))
    return PLACEHOLDER.sub(lambda match: originals.get(match[0], match[0]), text)


def match_placeholders(text: str, source: str) -> str:
    """Change `text` so that each placeholder occurs exactly as often as in `source`.

    `PlaceholderConstraint` ensures the correct number of occurrences of numbered placeholders, but
    not of placeholders that keep their names. The last occurrences of surplus placeholders are
    removed, and missing placeholders are appended.

    >>> match_placeholders("{a} of {c} {c}", "{a} {b} {c}")
    '{a} of {c} {b}'
    """
    missing = Counter(PLACEHOLDER.findall(source))

    def keep_required(match: re.Match[str]) -> str:
        missing[match[0]] -= 1
        return match[0] if missing[match[0]] >= 0 else ""

    kept = PLACEHOLDER.sub(keep_required, text)
    appended = [*(+missing).elements()]
    return text if kept == text and not appended else " ".join([kept.rstrip(), *appended])


class PlaceholderConstraint(LogitsProcessor):  # type: ignore[misc]
    """Make a translation contain each placeholder as often as its source does.

    While a placeholder is missing, the end token is forbidden, and each missing placeholder gets at
    least the score of the end token. A placeholder that already occurs as often as in the source is
    forbidden. Once `max_lengths` only leaves room for the missing placeholders and the end token,
    no other token is allowed.
    """

    def __init__(self, marks: Tensor, required: Tensor, max_lengths: Tensor, end: int) -> None:
        """Initialize the constraint.

        Args:
            marks: the token ids of the placeholders, of shape (marks,).
            required: how often each placeholder occurs in the source, of shape (batch, marks).
            max_lengths: the maximum number of tokens of each translation, including the start
                and end tokens, of shape (batch,).
            end: the id of the end token.
        """
        self.marks = marks
        self.required = required
        self.max_lengths = max_lengths
        self.end = end

    def keep_rows(self, chosen: Tensor) -> None:
        """Keep only the texts that are selected by the mask `chosen`, of shape (batch,)."""
        self.required, self.max_lengths = self.required[chosen], self.max_lengths[chosen]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The next token's scores, −∞ for forbidden tokens; shape: (batch · beams, vocabulary)."""
        beams = len(input_ids) // len(self.required)
        required = self.required.repeat_interleave(beams, 0)
        occurrences = input_ids[:, None].eq(self.marks[:, None]).sum(-1)
        remaining = (required - occurrences).clamp(min=0)
        missing = remaining > 0
        forbidden = torch.full_like(scores, -torch.inf)

        # A missing placeholder gets the end token's score if that is higher than its own score; all
        # other placeholders are forbidden.
        end_scores = scores[:, self.end, None]
        mark_scores = scores[:, self.marks].maximum(end_scores)
        mark_scores = mark_scores.where(missing, forbidden[:, self.marks])
        free = scores.index_copy(1, self.marks, mark_scores)
        free[:, self.end] = forbidden[:, 0].where(missing.any(1), end_scores.squeeze(1))

        # Where no room is left for other tokens, only missing placeholders may follow, or the end
        # token if no placeholder is missing.
        final = forbidden.index_copy(1, self.marks, mark_scores)
        final[:, self.end] = forbidden[:, 0].where(missing.any(1), 0.0)
        room = self.max_lengths.repeat_interleave(beams) - input_ids.shape[1]
        return final.where((room <= remaining.sum(1) + 1)[:, None], free)
