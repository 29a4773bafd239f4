"""Repairs of a text, each `str → str`, done in the order in which REPAIRS names them.

Every repair leaves alone what `tandem.text.protected` has hidden.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable

from tandem.text.protected import FIRST, LAST

# Elements of the HTML Living Standard. Other things in angle brackets stay: UI strings and
# manuals write <host>, people write <3, and masks are written <EMAIL>.
BLOCK = (
    "address|article|aside|blockquote|br|button|caption|dd|div|dl|dt|fieldset|figcaption|figure|"
    "footer|form|h[1-6]|header|hr|iframe|img|li|main|nav|ol|option|p|pre|script|section|select|"
    "style|table|tbody|td|tfoot|thead|th|tr|ul|video"
)
INLINE = (
    "abbr|a|bdi|bdo|big|b|cite|code|del|dfn|em|font|ins|i|kbd|label|mark|q|samp|small|span|"
    "strike|strong|sub|sup|s|tt|u|var|wbr"
)
ATTRIBUTES = rf"(?:\s[^<>{chr(FIRST)}-{chr(LAST)}]*)?/?>"
BLOCK_TAG = re.compile(rf"</?(?:{BLOCK}){ATTRIBUTES}|<!--.*?-->", re.IGNORECASE | re.DOTALL)
INLINE_TAG = re.compile(rf"</?(?:{INLINE}){ATTRIBUTES}", re.IGNORECASE)

# Cc and Cf without meaning for a reader: zero-width space, word joiner, soft hyphen, byte order
# mark. Joiners and direction marks stay, since emoji, Persian and Hebrew need them. Private-use
# characters mean something in one font only.
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f\x80-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ue000-\uf8ff\U00100000-\U0010fffd]"
)


def entities(text: str) -> str:
    """Unescape HTML entities, twice escaped ones too; a bare `&copy` in a URL stays.

    >>> entities("Tom &amp;amp; Jerry")
    'Tom & Jerry'
    """
    if "&" not in text:
        return text
    from ftfy.fixes import unescape_html

    while (again := unescape_html(text)) != text:
        text = again
    return text


def markup(text: str) -> str:
    """Take out HTML tags: a block's becomes a space, one inside a line nothing.

    >>> markup("one<br>two <b>th</b>ree <host> <3")
    'one two three <host> <3'
    """
    if "<" not in text:
        return text
    return INLINE_TAG.sub("", BLOCK_TAG.sub(" ", text))


def characters(text: str) -> str:
    """Undo wrong decodings (ftfy), remove invisible characters, compose to NFC.

    Curly quotes and wide characters stay: German and Japanese are written with them.

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
    """One space for any run of white space, none at the ends."""
    return " ".join(text.split())


REPAIRS: dict[str, Callable[[str], str]] = {
    "entities": entities,
    "markup": markup,
    "characters": characters,
    "spaces": spaces,
}


def repaired(text: str, names: Iterable[str] = tuple(REPAIRS)) -> str:
    """`text` after the repairs of these names, in the order of REPAIRS."""
    chosen = set(names)
    for name, repair in REPAIRS.items():
        if name in chosen:
            text = repair(text)
    return text
