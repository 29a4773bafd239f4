"""A phrase table learned from pairs of texts, and draft translations composed of its phrases.

Phrases are defined as in phrase-based translation (Koehn, Och & Marcu 2003): consecutive source
words and consecutive target words that the word alignment links only to each other. A phrase is
counted once per group of rows, because repetitions within one group are weaker evidence than
occurrences in two groups. A draft contains no phrase from the text's own group, so a training row
gets the same draft as if its group had not been seen in training.
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
    symmetrize,
    words,
)

MAX_PHRASE_WORDS = 5
"""Maximum number of words in a source phrase. A common maximum is seven, but for longer texts than
those of this project."""
TRUSTED_WORDS = 3
"""A source phrase of at most this many words is kept even if it only occurs in one group."""
CHOICES = 3
"""Number of translations kept per source phrase: those that occur in the most groups."""
PHRASE_PENALTY = -1.0
"""Added to a draft's score for each of its phrases, in nats, so that long phrases are preferred."""
UNKNOWN_PENALTY = -8.0
"""Added to a draft's score for each word that is copied untranslated, in nats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """One translation of a source phrase, and the groups in which it occurs."""

    source: str
    target: str
    groups: tuple[str, ...]


class PhraseTable:
    """Source phrases in lower case, with their most probable translations."""

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        self.phrases = phrases
        self.choices: dict[str, list[tuple[str, frozenset[str]]]] = defaultdict(list)
        for phrase in phrases:
            self.choices[phrase.source].append((phrase.target, frozenset(phrase.groups)))
        # Prepend an empty word to each phrase, because the truecaser skips the first word of a
        # text, but phrases occur inside sentences.
        self.cases = Truecaser([["", *words(phrase.target)] for phrase in phrases])

    @classmethod
    def learn(cls, texts: Sequence[tuple[str, str, str]]) -> Self:
        """Learn the table from `texts`, each a source text, its translation and its group."""
        groups_of: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for source, target, group in _phrases(texts):
            groups_of[source][target].add(group)
        phrases = []
        for source, targets in sorted(groups_of.items()):
            ranked = sorted(targets.items(), key=lambda item: (-len(item[1]), item[0]))
            if len(ranked) > 1 or len(ranked[0][1]) > 1 or source.count(" ") < TRUSTED_WORDS:
                phrases += [
                    Phrase(source=source, target=target, groups=tuple(sorted(groups)))
                    for target, groups in ranked[:CHOICES]
                ]
        return cls(phrases)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load the table that `save` wrote."""
        return cls(read_rows(path, Phrase))

    def save(self, path: Path) -> None:
        """Write the table as Parquet."""
        write_rows(path, self.phrases, Phrase)

    def draft(self, text: str, group: str = "") -> str:
        """The most probable monotone translation of `text`, without phrases from `group`.

        The first word of the translation is cased as it would be inside a sentence, because the
        network that edits the draft may move this word.
        """
        tokens = words(text)
        keys = [key(piece) for piece in tokens]
        best: list[tuple[float, list[str]]] = [(0.0, [])]
        for end in range(1, len(tokens) + 1):
            options = [(best[end - 1][0] + UNKNOWN_PENALTY, [*best[end - 1][1], tokens[end - 1]])]
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
        """`text` with its first word cased as in the table's phrases."""
        return join(self.cases.inside(words(text)))

    def _choose(self, source: str, group: str) -> tuple[float, str] | None:
        """The translation found in the most groups other than `group`, and its log-probability."""
        counts = [
            (len(groups) - (group in groups), target)
            for target, groups in self.choices.get(source, ())
        ]
        count, translation = max(counts, default=(0, ""), key=lambda pair: pair[0])
        if not count:
            return None
        # Half a count is reserved for unseen translations.
        return math.log(count / (sum(n for n, _ in counts) + 0.5)), translation


def _phrases(texts: Sequence[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """The source, target and group of every phrase in every text."""
    tokenized = [(words(source), words(target), group) for source, target, group in texts]
    tokenized = [item for item in tokenized if item[0] and item[1]]
    cases = Truecaser([target for _, target, _ in tokenized])

    # Align the words in both directions.
    pairs = [
        ([key(word) for word in source], [key(word) for word in target])
        for source, target, _ in tokenized
    ]
    all_forward = align(pairs).links()
    all_backward = align([(target, source) for source, target in pairs]).links()

    for (keys, _), (_, target, group), forward, backward in zip(
        pairs, tokenized, all_forward, all_backward, strict=True
    ):
        inside = cases.inside(target)
        for start, end, low, high in _phrase_bounds(symmetrize(forward, backward), len(keys)):
            yield " ".join(keys[start:end]), "".join(inside[low:high]), group


def _phrase_bounds(links: Links, length: int) -> Iterator[tuple[int, int, int, int]]:
    """Pairs of a source and a target word range, [start, end), linked only to each other."""
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
