"""Which word translates which: words, and their alignment across pairs of texts.

The alignment is IBM model 1 (Brown et al. 1993, "The Mathematics of Statistical Machine
Translation"), with, where asked for, the preference for the diagonal that makes it model 2 in one
parameter (Dyer, Chahuneau & Smith 2013, fast_align). It serves the word-by-word baseline and the
phrases that the sequence-to-sequence family drafts from.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A word keeps its inner hyphens, points and apostrophes; a placeholder is one word.
WORD = re.compile(r"\{[^{}\s]*\}|[^\W_]+(?:[-_'’./][^\W_]+)*|\S")
SPACE = "▁"

Pair = tuple[Sequence[str], Sequence[str]]
Links = set[tuple[int, int]]


def words(text: str) -> list[str]:
    """The words of a text, each led by `SPACE` where a space (or the start) stood before it.

    >>> words("Set up {name}.")
    ['▁Set', '▁up', '▁{name}', '.']
    """
    found: list[str] = []
    end = 0
    for match in WORD.finditer(text):
        spaced = match.start() > end or not found
        found.append(SPACE + match.group() if spaced else match.group())
        end = match.end()
    return found


def join(pieces: Sequence[str]) -> str:
    """The text that `words` cut, its runs of space made one.

    >>> join(words("Set up  {name}."))
    'Set up {name}.'
    """
    return "".join(pieces).replace(SPACE, " ").strip()


def key(word: str) -> str:
    """A word as it is looked up: without its mark of space, in lower case."""
    return word.lstrip(SPACE).lower()


@dataclass(frozen=True)
class Alignment:
    """What `align` found.

    `weights` has one entry a candidate link, pair after pair, target word after target word, the
    empty source word first; `translations` gives P(target word | source word).
    """

    pairs: Sequence[Pair]
    weights: NDArray[np.float64]
    translations: dict[str, dict[str, float]]

    def links(self) -> Iterator[Links]:
        """Each pair's links (source index, target index): every target word's likeliest source."""
        start = 0
        for source, target in self.pairs:
            shape = len(target), len(source) + 1
            block = self.weights[start : start + shape[0] * shape[1]].reshape(shape)
            start += block.size
            yield {(int(i) - 1, j) for j, i in enumerate(block.argmax(1)) if i}


def align(
    pairs: Sequence[Pair], rounds: int = 5, tension: float = 4.0, empty: float = 0.08
) -> Alignment:
    """Fit P(target word | source word) to `pairs` of non-empty lists of words, by EM.

    `tension` pulls a link toward the diagonal, and 0 gives IBM model 1; `empty` is the chance of
    a target word that no source word explains. Both defaults are fast_align's.
    """
    sources, targets = _Vocabulary(), _Vocabulary()
    candidates = [_candidates(sources[s], targets[t], tension, empty) for s, t in pairs]
    source, target, prior = (np.concatenate(part) for part in zip(*candidates, strict=True))
    widths = np.concatenate([np.full(len(t), len(s) + 1) for s, t in pairs])
    slots = np.repeat(np.arange(len(widths)), widths)
    kinds, kind = np.unique(source * len(targets.names) + target, return_inverse=True)
    owner = kinds // len(targets.names)
    chance = np.ones(len(kinds))
    for _ in range(rounds):
        weights = chance[kind] * prior
        weights /= np.bincount(slots, weights)[slots]
        counts = np.bincount(kind, weights, len(kinds))
        chance = counts / np.bincount(owner, counts)[owner]
    translations: dict[str, dict[str, float]] = defaultdict(dict)
    for code, probability in zip(kinds.tolist(), chance.tolist(), strict=True):
        i, j = divmod(code, len(targets.names))
        translations[sources.names[i]][targets.names[j]] = probability
    return Alignment(pairs, chance[kind] * prior, dict(translations))


class _Vocabulary:
    """Numbers for words, in the order of their first use; 0 is the empty word."""

    def __init__(self) -> None:
        self.names = [""]
        self.numbers = {"": 0}

    def __getitem__(self, text: Sequence[str]) -> NDArray[np.int64]:
        for word in text:
            if word not in self.numbers:
                self.numbers[word] = len(self.names)
                self.names.append(word)
        return np.array([self.numbers[word] for word in text], dtype=np.int64)


def _candidates(
    source: NDArray[np.int64], target: NDArray[np.int64], tension: float, empty: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Source, target and prior of all links of one pair, each (target words × source words + 1)."""
    n, m = len(source), len(target)
    places = np.abs((np.arange(n) + 0.5) / n - (np.arange(m)[:, None] + 0.5) / m)
    near = np.exp(-tension * places)
    near = (1 - empty) * near / near.sum(1, keepdims=True)
    prior = np.concatenate([np.full((m, 1), empty), near], axis=1)
    return np.tile(np.concatenate([[0], source]), m), np.repeat(target, n + 1), prior.ravel()


def symmetrise(forward: Links, backward: Links) -> Links:
    """Links both directions found, grown into those that one found: grow-diag-final-and.

    `backward` has target indices first. Source: Koehn, Och & Marcu 2003, "Statistical
    Phrase-Based Translation".
    """
    turned = {(i, j) for j, i in backward}
    links, either = forward & turned, forward | turned
    while grown := [link for link in sorted(either - links) if _grows(link, links)]:
        links |= set(grown)
    for i, j in sorted(either - links):
        if all(i != a and j != b for a, b in links):
            links.add((i, j))
    return links


def _grows(link: tuple[int, int], links: Links) -> bool:
    """Whether a link touches one of `links` and gives a word its first."""
    i, j = link
    touches = any((i + a, j + b) in links for a in (-1, 0, 1) for b in (-1, 0, 1))
    return touches and (all(i != a for a, _ in links) or all(j != b for _, b in links))


class Truecaser:
    """How a word is written inside a sentence, for the first word of one says nothing of it."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        seen: dict[str, Counter[str]] = defaultdict(Counter)
        for text in texts:
            for word in text[1:]:
                seen[key(word)][word.lstrip(SPACE)] += 1
        self.usual = {k: min(c, key=lambda w: (-c[w], w)) for k, c in seen.items()}

    def inside(self, text: Sequence[str]) -> list[str]:
        """The words of a sentence as they would be written after its first word."""
        if not text:
            return []
        first = text[0].lstrip(SPACE)
        return [SPACE + self.usual.get(key(first), first), *text[1:]]


def match_case(model: str, text: str) -> str:
    """`text` with a capital letter first where `model` has one."""
    return text[:1].upper() + text[1:] if model[:1].isupper() else text
