"""A table of phrases learnt from pairs of texts, and the drafts put together from it.

The phrases are those of phrase-based translation (Koehn, Och & Marcu 2003): runs of words whose
links stay inside a run of the other side. A phrase counts once a group, for the same text all
over one component says less than in two; and a text's own group is left out of its draft, so that
a training row gets the draft an unseen component would get.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tandem.core.rows import read_rows, write_rows
from tandem.modeling.translation.word_alignment import (
    Links,
    Truecaser,
    align,
    join,
    key,
    symmetrise,
    words,
)

MAX_PHRASE_WORDS = 5
"""Words of a source phrase at the most; seven is usual for long texts, ours are short."""
TRUSTED_WORDS = 3
"""Words of a source phrase up to which one group's word is taken."""
CHOICES = 3
"""Translations kept a source phrase, those of most groups."""
PHRASE_PENALTY = -1.0
"""Cost of each phrase of a draft, in nats, so that few long ones are preferred."""
UNKNOWN_PENALTY = -8.0
"""Cost of a word that is left as it is, in nats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """One translation of a source phrase, and the groups that have it."""

    source: str
    target: str
    groups: tuple[str, ...]


class PhraseTable:
    """Source phrases, in lower case, with their likeliest translations."""

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        self.phrases = phrases
        self.choices: dict[str, list[tuple[str, frozenset[str]]]] = defaultdict(list)
        for phrase in phrases:
            self.choices[phrase.source].append((phrase.target, frozenset(phrase.groups)))
        # one empty word before each, for a phrase stands inside a sentence
        self.cases = Truecaser([["", *words(phrase.target)] for phrase in phrases])

    @classmethod
    def learn(cls, texts: Sequence[tuple[str, str, str]]) -> Self:
        """The table of `texts`, each a source text, its translation and its group."""
        found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for source, target, group in _phrases(texts):
            found[source][target].add(group)
        phrases = []
        for source, targets in sorted(found.items()):
            ranked = sorted(targets.items(), key=lambda item: (-len(item[1]), item[0]))
            if len(ranked) > 1 or len(ranked[0][1]) > 1 or source.count(" ") < TRUSTED_WORDS:
                phrases += [
                    Phrase(source=source, target=target, groups=tuple(sorted(groups)))
                    for target, groups in ranked[:CHOICES]
                ]
        return cls(phrases)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The table that `save` wrote."""
        return cls(read_rows(path, Phrase))

    def save(self, path: Path) -> None:
        """Write the table as Parquet."""
        write_rows(path, self.phrases, Phrase)

    def draft(self, text: str, group: str = "") -> str:
        """The likeliest monotone translation of `text` by phrases of other groups than `group`.

        Its first word is written as inside a sentence, for it may not stay the first.
        """
        pieces = words(text)
        keys = [key(piece) for piece in pieces]
        best: list[tuple[float, list[str]]] = [(0.0, [])]
        for end in range(1, len(pieces) + 1):
            options = [(best[end - 1][0] + UNKNOWN_PENALTY, [*best[end - 1][1], pieces[end - 1]])]
            for start in range(max(0, end - MAX_PHRASE_WORDS), end):
                choice = self._choose(" ".join(keys[start:end]), group)
                if choice:
                    score, target = choice
                    options.append(
                        (best[start][0] + score + PHRASE_PENALTY, [*best[start][1], target])
                    )
            best.append(max(options, key=lambda option: option[0]))
        return join(best[-1][1])

    def inside(self, text: str) -> str:
        """`text` with its first word as the table's phrases write it."""
        return join(self.cases.inside(words(text)))

    def _choose(self, source: str, group: str) -> tuple[float, str] | None:
        """The translation of a phrase that most other groups have, with its log-probability."""
        counts = [
            (len(groups) - (group in groups), target)
            for target, groups in self.choices.get(source, ())
        ]
        most = max(counts, default=(0, ""), key=lambda count: count[0])
        if not most[0]:
            return None
        # Half a count is kept back for what was not seen.
        return math.log(most[0] / (sum(count for count, _ in counts) + 0.5)), most[1]


def _phrases(texts: Sequence[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """Every phrase of every text: source, target and group."""
    cut = [(words(source), words(target), group) for source, target, group in texts]
    cut = [item for item in cut if item[0] and item[1]]
    cases = Truecaser([target for _, target, _ in cut])
    pairs = [([key(w) for w in source], [key(w) for w in target]) for source, target, _ in cut]
    forward = align(pairs).links()
    backward = align([(target, source) for source, target in pairs]).links()
    for (keys, _), (_, target, group), there, back in zip(
        pairs, cut, forward, backward, strict=True
    ):
        inside = cases.inside(target)
        for start, end, low, high in _runs(symmetrise(there, back), len(keys)):
            yield " ".join(keys[start:end]), "".join(inside[low:high]), group


def _runs(links: Links, length: int) -> Iterator[tuple[int, int, int, int]]:
    """Runs of source words and of target words, [start, end) each, that only link each other."""
    targets, sources = defaultdict(list), defaultdict(list)
    for i, j in links:
        targets[i].append(j)
        sources[j].append(i)
    for start in range(length):
        covered: list[int] = []
        for end in range(start + 1, min(length, start + MAX_PHRASE_WORDS) + 1):
            covered += targets[end - 1]
            if not covered or max(covered) - min(covered) > MAX_PHRASE_WORDS + 1:
                continue
            low, high = min(covered), max(covered) + 1
            if all(start <= i < end for j in range(low, high) for i in sources[j]):
                yield start, end, low, high
