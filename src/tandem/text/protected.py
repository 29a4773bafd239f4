"""Change a text around pieces of it that must stay: `{placeholders}` and key-information spans.

Each piece is hidden behind one character of a private-use plane, so that an edit sees whole
sentences, and a tag or a phone number can never be found half inside a piece:

    turn on {name} in the  attic     the text, with {name} and the span attic
    turn on ① in the  ②              hidden
    turn on ① in the ②               edited, here by collapsing spaces
    turn on {name} in the attic      shown; the span has moved by one
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

from tandem.core.rows import Row, Span
from tandem.core.task import PLACEHOLDER, BaseTask

FIRST, LAST = 0xF0000, 0xFFFFD  # Supplementary Private Use Area-A (Unicode 15, section 23.5)
SENTINEL = re.compile(f"[{chr(FIRST)}-{chr(LAST)}]")

Edit = Callable[[str], str]
Piece = tuple[int, int]
R = TypeVar("R", bound=Row)


def rewrite(row: R, task: BaseTask, edit: Edit, field: str = "text") -> R:
    """`row` with a text field edited around its protected pieces, and its spans moved.

    Raises:
        ValueError: `edit` lost or repeated a protected piece, which is a bug of `edit`.
    """
    text = getattr(row, field)
    return restore(row, task, edit(mask_pieces(text, protected(row, task, field))), field)


def restore(row: R, task: BaseTask, hidden: str, field: str = "text") -> R:
    """`row` with the text `hidden`, whose protected pieces are put back, and its spans moved.

    Raises:
        ValueError: a protected piece of the row is not in `hidden`, or is there twice.
    """
    before = getattr(row, field)
    pieces = protected(row, task, field)
    after, starts = put_back(before, pieces, hidden)
    if after == before:
        return row
    changes: dict[str, Any] = {field: after}
    if field == "text" and spans_of(row):
        moved = [_moved(span, pieces, starts) for span in spans_of(row)]
        changes["spans"] = tuple(sorted(moved, key=lambda span: span.start))
    return replace(row, **changes)


def protected(row: Row, task: BaseTask, field: str = "text") -> list[Piece]:
    """What must stay in a text field: its placeholders, what the task protects, its spans.

    Spans and the task's own rule belong to `text`; other fields hold placeholders only.
    """
    if field != "text":
        return merged([match.span() for match in PLACEHOLDER.finditer(getattr(row, field))])
    return merged([*task.protected(row), *((span.start, span.end) for span in spans_of(row))])


def spans_of(row: Row) -> tuple[Span, ...]:
    """The spans of a row whose type has them."""
    spans: tuple[Span, ...] = getattr(row, "spans", ())
    return spans


def put_back(text: str, pieces: Sequence[Piece], hidden: str) -> tuple[str, list[int]]:
    """`hidden` with the pieces of `text` in it, and where each of `pieces` starts in the result."""
    starts = [-1] * len(pieces)
    parts: list[str] = []
    length = end = 0
    for match in SENTINEL.finditer(hidden):
        number = ord(match.group()) - FIRST
        if number >= len(pieces) or starts[number] >= 0:
            raise ValueError(f"an edit put a piece of {text!r} twice: {hidden!r}")
        parts += hidden[end : match.start()], text[slice(*pieces[number])]
        end = match.end()
        starts[number] = length + len(parts[-2])
        length = starts[number] + len(parts[-1])
    if -1 in starts:
        raise ValueError(f"an edit lost a piece of {text!r}: {hidden!r}")
    return "".join([*parts, hidden[end:]]), starts


def mask_pieces(text: str, pieces: Sequence[Piece]) -> str:
    """`text` with each of the sorted, disjoint `pieces` behind a character of its own."""
    if not pieces:
        return SENTINEL.sub("", text)
    edges = [0, *(edge for piece in pieces for edge in piece), len(text)]
    gaps = [SENTINEL.sub("", text[a:b]) for a, b in list(pairwise(edges))[::2]]
    marks = [chr(FIRST + number) for number in range(len(pieces))]
    return "".join(part for pair in zip(gaps, [*marks, ""], strict=True) for part in pair)


def unmask_pieces(text: str, pieces: Sequence[str]) -> str:
    """`text` with each hidden piece's own text in its place.

    >>> shown("turn on " + chr(FIRST), ["{name}"])
    'turn on {name}'
    """
    return SENTINEL.sub(lambda match: pieces[ord(match.group()) - FIRST], text)


def merged(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces sorted, with those that overlap joined; empty ones are left out.

    >>> merged([(4, 9), (0, 2), (6, 12), (3, 3)])
    [(0, 2), (4, 12)]
    """
    joined: list[Piece] = []
    for start, end in sorted(piece for piece in pieces if piece[0] < piece[1]):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _moved(span: Span, pieces: Sequence[Piece], starts: Sequence[int]) -> Span:
    """`span`, which lies inside one of `pieces`, where that piece now starts."""
    for (start, end), now in zip(pieces, starts, strict=True):
        if start <= span.start and span.end <= end:
            shift = now - start
            return replace(span, start=span.start + shift, end=span.end + shift)
    raise ValueError(f"{span} lies in none of {pieces}")
