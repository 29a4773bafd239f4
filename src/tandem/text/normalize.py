"""Keys by which texts are compared: two texts count as the same if their keys are equal."""

import re
import unicodedata
from collections.abc import Sequence

from tandem.text.protected import SENTINEL, Piece, mask_pieces
from tandem.text.repair import repair_text

NOT_LETTERS = re.compile(r"[\W\d_]+")


def dedup_key(text: str) -> str:
    """Return the key by which cleaning compares texts: the text, NFKC-normalized and case-folded.

    Runs of whitespace are collapsed. Digits and punctuation matter: `Input 1` differs from
    `Input 2`, and `great :)` from `great :(`.
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def split_key(text: str, pieces: Sequence[Piece] = ()) -> str:
    """Return the key by which splitting compares texts: the case-folded words of the text.

    Digits, punctuation and the parts of the text given by `pieces` are left out. The text is
    repaired first, so that a raw row and its clean row have the same key. The key of a text without
    letters is its `dedup_key`.

    >>> split_key("Set {name} to 21&deg;C, now!", [(4, 10)])
    'set to c now'
    """
    without_pieces = SENTINEL.sub(" ", repair_text(mask_pieces(text, pieces)))
    words = unicodedata.normalize("NFKC", without_pieces).casefold()
    return " ".join(NOT_LETTERS.sub(" ", words).split()) or dedup_key(text)
