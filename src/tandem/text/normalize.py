"""Normal forms: two texts are the same when their forms are."""

import re
import unicodedata
from collections.abc import Sequence

from tandem.text.protected import SENTINEL, Piece, mask_pieces
from tandem.text.repair import repaired

NOT_LETTERS = re.compile(r"[\W\d_]+")


def dedup_key(text: str) -> str:
    """What cleaning calls the same text: case, compatibility characters and spaces aside.

    Digits and signs count: `Input 1` and `Input 2`, `great :)` and `great :(` are two texts.
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def split_key(text: str, pieces: Sequence[Piece] = ()) -> str:
    """What the split calls the same text: its words alone, without case, digits, signs, `pieces`.

    The text is repaired first, so that a raw row and the clean row made of it have one form. A
    text that has no letters is its own form.

    >>> letters("Set {name} to 21&deg;C, now!", [(4, 10)])
    'set to c now'
    """
    open_text = SENTINEL.sub(" ", repaired(mask_pieces(text, pieces)))
    words = unicodedata.normalize("NFKC", open_text).casefold()
    return " ".join(NOT_LETTERS.sub(" ", words).split()) or dedup_key(text)
