"""Edit a text around parts that must not change: `{placeholders}` and spans.

While the text is edited, each protected part is replaced with a sentinel, which is a private-use
Unicode character. An edit therefore sees whole sentences, and a regex match, for example of an HTML
tag or a phone number, never starts or ends inside a protected part:

    turn on {name} in the  attic     the text, with {name} and the span attic
    turn on ① in the  ②              masked
    turn on ① in the ②               edited, here by collapsing spaces
    turn on {name} in the attic      restored; the span has moved by one character
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

from tandem.core.rows import Row, Span
from tandem.core.task import PLACEHOLDER, BaseTask

# Supplementary Private Use Area-A (Unicode 15, section 23.5)
FIRST_SENTINEL, LAST_SENTINEL = chr(0xF0000), chr(0xFFFFD)
SENTINEL = re.compile(f"[{FIRST_SENTINEL}-{LAST_SENTINEL}]")

Edit = Callable[[str], str]
Piece = tuple[int, int]
"""Start and end of a protected part of a text, in characters."""
R = TypeVar("R", bound=Row)


def sentinel(index: int) -> str:
    """Return the sentinel of the protected part whose index is `index`."""
    return chr(ord(FIRST_SENTINEL) + index)


def piece_index(character: str) -> int:
    """Return the index of the protected part that a sentinel replaces."""
    return ord(character) - ord(FIRST_SENTINEL)


def rewrite(row: R, task: BaseTask, edit: Edit, field: str = "text") -> R:
    """Return `row` with a text field edited around its protected parts, and its spans updated.

    Raises:
        ValueError: `edit` removed or duplicated a protected part, which is a bug in `edit`.
    """
    text = getattr(row, field)
    return restore(row, task, edit(mask_pieces(text, protected(row, task, field))), field)


def restore(row: R, task: BaseTask, masked: str, field: str = "text") -> R:
    """Return `row` with `masked` as its text; protected parts are restored, and spans are moved.

    Raises:
        ValueError: a protected part of the row is missing from `masked`, or occurs twice.
    """
    before = getattr(row, field)
    pieces = protected(row, task, field)
    after, starts = restore_pieces(before, pieces, masked)
    if after == before:
        return row
    changes: dict[str, Any] = {field: after}
    if field == "text" and spans_of(row):
        moved = [_moved(span, pieces, starts) for span in spans_of(row)]
        changes["spans"] = tuple(sorted(moved, key=lambda span: span.start))
    return replace(row, **changes)


def protected(row: Row, task: BaseTask, field: str = "text") -> list[Piece]:
    """Return the parts of a text field that must not change, sorted and disjoint.

    In the field `text`, the protected parts are those that the task protects, and the spans; in any
    other field, they are the placeholders.
    """
    if field != "text":
        return merge_pieces([match.span() for match in PLACEHOLDER.finditer(getattr(row, field))])
    return merge_pieces([*task.protected(row), *((span.start, span.end) for span in spans_of(row))])


def spans_of(row: Row) -> tuple[Span, ...]:
    """Return the spans of a row, or an empty tuple if its type has no spans."""
    spans: tuple[Span, ...] = getattr(row, "spans", ())
    return spans


def restore_pieces(text: str, pieces: Sequence[Piece], masked: str) -> tuple[str, list[int]]:
    """Replace each sentinel in `masked` with the protected part of `text` that it stands for.

    Returns:
        The restored text, and the start position of each protected part in it.

    Raises:
        ValueError: the sentinel of a protected part is missing from `masked`, or occurs twice.
    """
    starts = [-1] * len(pieces)
    parts: list[str] = []
    length = end = 0
    for match in SENTINEL.finditer(masked):
        index = piece_index(match.group())
        if index >= len(pieces) or starts[index] >= 0:
            raise ValueError(f"an edit duplicated a protected part of {text!r}: {masked!r}")
        # Append the text after the previous sentinel, then the protected part.
        parts += masked[end : match.start()], text[slice(*pieces[index])]
        end = match.end()
        starts[index] = length + len(parts[-2])
        length = starts[index] + len(parts[-1])
    if -1 in starts:
        raise ValueError(f"an edit removed a protected part of {text!r}: {masked!r}")
    return "".join([*parts, masked[end:]]), starts


def mask_pieces(text: str, pieces: Sequence[Piece]) -> str:
    """Replace each protected part of `text` with its sentinel; `pieces` are sorted and disjoint.

    Private-use characters that the text itself contains are removed.
    """
    if not pieces:
        return SENTINEL.sub("", text)
    edges = [0, *(edge for piece in pieces for edge in piece), len(text)]
    gaps = [SENTINEL.sub("", text[start:end]) for start, end in list(pairwise(edges))[::2]]
    sentinels = [sentinel(index) for index in range(len(pieces))]
    return "".join(part for pair in zip(gaps, [*sentinels, ""], strict=True) for part in pair)


def unmask_pieces(text: str, pieces: Sequence[str]) -> str:
    """Replace each sentinel in `text` with the text that it stands for.

    >>> unmask_pieces("turn on " + sentinel(0), ["{name}"])
    'turn on {name}'
    """
    return SENTINEL.sub(lambda match: pieces[piece_index(match.group())], text)


def merge_pieces(pieces: Sequence[Piece]) -> list[Piece]:
    """Return `pieces` sorted, with overlapping ones merged and empty ones removed.

    >>> merge_pieces([(4, 9), (0, 2), (6, 12), (3, 3)])
    [(0, 2), (4, 12)]
    """
    merged: list[Piece] = []
    for start, end in sorted(piece for piece in pieces if piece[0] < piece[1]):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _moved(span: Span, pieces: Sequence[Piece], starts: Sequence[int]) -> Span:
    """Return `span`, moved together with the protected part that contains it."""
    for (start, end), new_start in zip(pieces, starts, strict=True):
        if start <= span.start and span.end <= end:
            shift = new_start - start
            return replace(span, start=span.start + shift, end=span.end + shift)
    raise ValueError(f"{span} is not inside any of the protected parts {pieces}")
