"""Synonyms of WordNet (Miller 1995; Fellbaum 1998), out of a pinned package's database files.

The files are text, as described in wndb(5WN) and senseidx(5WN): `index.sense` says how often each
sense of a lemma occurs in WordNet's own sense-tagged texts, `data.POS` holds the words of each
sense. Senses that do not occur there are left out: they would give `as` as arsenic.
"""

import functools
import re
from collections.abc import Iterator

from tandem.core.errors import SourceError
from tandem.downloads.archive import Archive
from tandem.downloads.pypi import Pin, open_package

MARKER = re.compile(r"\((?:p|a|ip)\)$")  # where an adjective may stand

PARTS = ("noun", "verb", "adj", "adv")  # the kinds 1 to 4 of a sense
SATELLITES = {5: 3}  # adjectives too, and in their file

Synonyms = dict[str, list[str]]


class Lexicon(Pin):
    """The package's pins, and the folder in it that holds the database files."""

    path: str


@functools.cache
def synonyms(lexicon: Lexicon) -> Synonyms:
    """For each lemma in small letters its synonyms, those of its most frequent sense first.

    Raises:
        SourceError: the package cannot be had, or its folder holds no such database.
    """
    files = open_package(lexicon)
    inside = lexicon.path.rstrip("/") + "/"
    words = {
        (kind, sense): found
        for number, part in enumerate(PARTS, 1)
        for kind, sense, found in _words(files, f"{inside}data.{part}", number)
    }
    ranked: dict[str, list[tuple[int, int, str]]] = {}
    for lemma, count, kind, sense in _senses(files, f"{inside}index.sense"):
        ranked.setdefault(lemma, []).append((-count, kind, sense))
    found = {}
    for lemma, senses in ranked.items():
        all_words = dict.fromkeys(
            word for _, kind, sense in sorted(senses) for word in words.get((kind, sense), ())
        )
        found[lemma] = [word for word in all_words if word.casefold() != lemma]
    return found


def _lines(files: Archive, start: str) -> Iterator[list[str]]:
    """The cells of each line below the license, of a file or of the two it was cut into."""
    names = [name for name in files.names if name.rstrip("12") == start]
    if not names:
        raise SourceError(f"{files.label} holds no {start}: name the folder of a WordNet database")
    for name in names:
        for line in files.read(name).decode("utf-8").splitlines():
            if line.strip() and not line.startswith(" "):
                yield line.partition(" | ")[0].split()


def _words(files: Archive, start: str, kind: int) -> Iterator[tuple[int, str, list[str]]]:
    """Each sense's offset, and its words: OFFSET FILE TYPE COUNT(hex), then WORD ID each."""
    for cells in _lines(files, start):
        words = cells[4 : 4 + 2 * int(cells[3], 16) : 2]
        yield kind, cells[0], [MARKER.sub("", word).replace("_", " ") for word in words]


def _senses(files: Archive, start: str) -> Iterator[tuple[str, int, int, str]]:
    """Each tagged sense, and how often it occurs: LEMMA%KIND:… OFFSET NUMBER COUNT."""
    for key, sense, _, count in _lines(files, start):
        lemma, _, rest = key.partition("%")
        kind = int(rest[0])
        if int(count):
            yield lemma.replace("_", " "), int(count), SATELLITES.get(kind, kind), sense
