"""Text repairs, each a function `str → str`, applied in the order of REPAIRS.

No repair changes the sentinels of `tandem.text.protected`.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable

from tandem.text.protected import FIRST_SENTINEL, LAST_SENTINEL

# Elements of the HTML Living Standard. Anything else in angle brackets is kept: UI strings and
# manuals contain <host>, people write <3, and masked personal data is replaced with <EMAIL>.
BLOCK = (
    "address|article|aside|blockquote|br|button|caption|dd|div|dl|dt|fieldset|figcaption|figure|"
    "footer|form|h[1-6]|header|hr|iframe|img|li|main|nav|ol|option|p|pre|script|section|select|"
    "style|table|tbody|td|tfoot|thead|th|tr|ul|video"
)
INLINE = (
    "abbr|a|bdi|bdo|big|b|cite|code|del|dfn|em|font|ins|i|kbd|label|mark|q|samp|small|span|"
    "strike|strong|sub|sup|s|tt|u|var|wbr"
)
ATTRIBUTES = rf"(?:\s[^<>{FIRST_SENTINEL}-{LAST_SENTINEL}]*)?/?>"
BLOCK_TAG = re.compile(rf"</?(?:{BLOCK}){ATTRIBUTES}|<!--.*?-->", re.IGNORECASE | re.DOTALL)
INLINE_TAG = re.compile(rf"</?(?:{INLINE}){ATTRIBUTES}", re.IGNORECASE)

# Characters in the Unicode categories Cc and Cf that a reader does not see: zero-width space, word
# joiner, soft hyphen, byte order mark. Joiners and direction marks are kept, because emoji, Persian
# and Hebrew need them. Private-use characters are removed, too, because they have a meaning only in
# a specific font.
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f\x80-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ue000-\uf8ff\U00100000-\U0010fffd]"
)


def entities(text: str) -> str:
    """Unescape HTML entities, including doubly escaped ones.

    Entities without a semicolon are kept, because they may be part of a URL: `?a=1&copy=2`.

    >>> entities("Tom &amp;amp; Jerry")
    'Tom & Jerry'
    """
    if "&" not in text:
        return text
    from ftfy.fixes import unescape_html

    while (unescaped := unescape_html(text)) != text:
        text = unescaped
    return text


def markup(text: str) -> str:
    """Remove HTML tags: block tags become a space, inline tags are deleted.

    >>> markup("one<br>two <b>th</b>ree <host> <3")
    'one two three <host> <3'
    """
    if "<" not in text:
        return text
    return INLINE_TAG.sub("", BLOCK_TAG.sub(" ", text))


def characters(text: str) -> str:
    """Fix mojibake (with ftfy), remove invisible characters, and normalize to NFC.

    Curly quotes and fullwidth characters are kept, because German and Japanese use them.

    >>> characters("schÃ¶n")
    'schön'
    """
    if not text.isascii():
        import ftfy

        text = ftfy.fix_text(
            text, uncurl_quotes=False, fix_character_width=False, unescape_html=False
        )
    return unicodedata.normalize("NFC", INVISIBLE.sub("", text))


def spaces(text: str) -> str:
    """Collapse runs of whitespace into one space, and strip whitespace from both ends."""
    return " ".join(text.split())


REPAIRS: dict[str, Callable[[str], str]] = {
    "entities": entities,
    "markup": markup,
    "characters": characters,
    "spaces": spaces,
}


def repair_text(text: str, names: Iterable[str] = tuple(REPAIRS)) -> str:
    """Apply the repairs in `names` to `text`, in the order of REPAIRS."""
    selected = set(names)
    for name, repair in REPAIRS.items():
        if name in selected:
            text = repair(text)
    return text
