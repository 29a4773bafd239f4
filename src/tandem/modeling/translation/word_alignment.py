"""Split texts into words, and align the words of a text with those of its translation.

The alignment model is IBM model 1 (Brown et al. 1993, "The Mathematics of Statistical Machine
Translation"), optionally with a preference for the diagonal, which turns it into a one-parameter
variant of model 2 (Dyer, Chahuneau & Smith 2013, fast_align). The word-by-word baseline and the
phrase table use this module.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A word keeps its inner hyphens, underscores, apostrophes, periods and slashes; a placeholder is
# one word.
WORD = re.compile(r"\{[^{}\s]*\}|[^\W_]+(?:[-_'’./][^\W_]+)*|\S")
SPACE = "▁"

Pair = tuple[Sequence[str], Sequence[str]]
Links = set[tuple[int, int]]


def words(text: str) -> list[str]:
    """The words of a text, each with the prefix `SPACE` if it follows a space or is the first.

    >>> words("Set up {name}.")
    ['▁Set', '▁up', '▁{name}', '.']
    """
    tokens: list[str] = []
    end = 0
    for match in WORD.finditer(text):
        spaced = match.start() > end or not tokens
        tokens.append(SPACE + match.group() if spaced else match.group())
        end = match.end()
    return tokens


def join(tokens: Sequence[str]) -> str:
    """The inverse of `words`, except that several consecutive spaces become one.

    >>> join(words("Set up  {name}."))
    'Set up {name}.'
    """
    return "".join(tokens).replace(SPACE, " ").strip()


def key(word: str) -> str:
    """The form in which a word is looked up: without `SPACE`, in lower case."""
    return word.lstrip(SPACE).lower()


@dataclass(frozen=True)
class Alignment:
    """The result of `align`."""

    pairs: Sequence[Pair]
    weights: NDArray[np.float64]
    """The weight of each candidate link, ordered by pair, target word and source word; the first
    source word is the empty word."""
    translations: dict[str, dict[str, float]]
    """P(target word | source word), by source word and target word."""

    def links(self) -> Iterator[Links]:
        """The links of each pair: (source index, target index), at most one per target word."""
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

    Args:
        pairs: source and target words.
        rounds: iterations of EM.
        tension: preference for the diagonal; 0 gives IBM model 1. The default is fast_align's.
        empty: probability that no source word explains a target word; the default is fast_align's.
    """
    # Collect all candidate links of all pairs in flat arrays.
    sources, targets = _Vocabulary(), _Vocabulary()
    candidates = [_candidates(sources[s], targets[t], tension, empty) for s, t in pairs]
    source, target, prior = (np.concatenate(part) for part in zip(*candidates, strict=True))
    widths = np.concatenate([np.full(len(t), len(s) + 1) for s, t in pairs])
    target_index = np.repeat(np.arange(len(widths)), widths)

    # Encode each word pair as an integer; find the distinct codes, the source word of each code,
    # and the index of each candidate link's code.
    codes, code_index = np.unique(source * len(targets.names) + target, return_inverse=True)
    source_of_code = codes // len(targets.names)

    probs = np.ones(len(codes))
    for _ in range(rounds):
        # Expectation step: the weights of the links of a target word sum to 1.
        weights = probs[code_index] * prior
        weights /= np.bincount(target_index, weights)[target_index]
        # Maximization step: the probabilities of the translations of a source word sum to 1.
        counts = np.bincount(code_index, weights, len(codes))
        probs = counts / np.bincount(source_of_code, counts)[source_of_code]

    translations: dict[str, dict[str, float]] = defaultdict(dict)
    for code, prob in zip(codes.tolist(), probs.tolist(), strict=True):
        i, j = divmod(code, len(targets.names))
        translations[sources.names[i]][targets.names[j]] = prob
    return Alignment(pairs, probs[code_index] * prior, dict(translations))


class _Vocabulary:
    """Assigns numbers to words in the order of their first use; the empty word gets 0."""

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
    """The source, target and prior of each candidate link between one pair of texts.

    Each of the three arrays has the shape (target words · (source words + 1),).
    """
    n, m = len(source), len(target)
    distances = np.abs((np.arange(n) + 0.5) / n - (np.arange(m)[:, None] + 0.5) / m)
    near = np.exp(-tension * distances)
    near = (1 - empty) * near / near.sum(1, keepdims=True)
    prior = np.concatenate([np.full((m, 1), empty), near], axis=1)
    return np.tile(np.concatenate([[0], source]), m), np.repeat(target, n + 1), prior.ravel()


def symmetrize(forward: Links, backward: Links) -> Links:
    """Merge the links of both directions by grow-diag-final-and.

    The result starts from the intersection of both directions and grows towards their union. In
    each link of `backward`, the index of the target word comes first. The method is from Koehn,
    Och & Marcu 2003, "Statistical Phrase-Based Translation".
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
    """Whether `link` is adjacent to one of `links` and connects a word that has no link yet."""
    i, j = link
    touches = any((i + a, j + b) in links for a in (-1, 0, 1) for b in (-1, 0, 1))
    return touches and (all(i != a for a, _ in links) or all(j != b for _, b in links))


class Truecaser:
    """The usual casing of words inside a sentence, learned from all but each text's first word."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        seen: dict[str, Counter[str]] = defaultdict(Counter)
        for text in texts:
            for word in text[1:]:
                seen[key(word)][word.lstrip(SPACE)] += 1
        self.usual = {k: min(c, key=lambda w: (-c[w], w)) for k, c in seen.items()}

    def inside(self, text: Sequence[str]) -> list[str]:
        """The words of a sentence, with the first word cased as it would be inside a sentence."""
        if not text:
            return []
        first = text[0].lstrip(SPACE)
        return [SPACE + self.usual.get(key(first), first), *text[1:]]


def match_case(model: str, text: str) -> str:
    """Capitalize `text` if the text `model` is capitalized."""
    return text[:1].upper() + text[1:] if model[:1].isupper() else text
