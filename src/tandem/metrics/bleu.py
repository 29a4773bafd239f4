"""BLEU of the whole test set, 0 to 100 (sacrebleu; Papineni et al. 2002, Post 2018)."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem.metrics.common.statistics import Array, safe_divide

TITLE = "BLEU"
HINT = "0 to 100"
DECIMALS = 1
LOWER_IS_BETTER = False
INPUTS = {"predictions": "string", "references": "string"}
ORDERS = 4

# Han, kana, Thai, Lao, Khmer and Burmese are written without spaces between words. For
# these scripts, BLEU uses n-grams of characters, as in WMT for languages without a word segmenter.
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def columns(rows: Sequence[Any], predictions: Sequence[Any]) -> dict[str, list[str]]:
    """Translations and references."""
    return {
        "predictions": [prediction["target"] for prediction in predictions],
        "references": [row.target for row in rows],
    }


def options(rows: Sequence[Any]) -> dict[str, str]:
    """The tokenizer for a test set, as the argument `tokenize` of `compute`."""
    return {"tokenize": _tokenizer([row.target for row in rows])}


def compute(predictions: list[str], references: list[str], tokenize: str | None = None) -> float:
    """The BLEU score of the corpus; without `tokenize`, the references determine the tokenizer."""
    from sacrebleu.metrics import BLEU

    scorer = BLEU(tokenize=tokenize or _tokenizer(references))
    return float(scorer.corpus_score(predictions, [references]).score)


def signature(rows: Sequence[Any]) -> str:
    """The signature that sacrebleu recommends reporting, with tokenizer, smoothing and version."""
    from sacrebleu.metrics import BLEU

    scorer = BLEU(**options(rows))
    scorer.corpus_score(["a"], [["a"]])
    return str(scorer.get_signature())


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """The lengths and n-gram counts of each row, as an array of shape (rows, 10).

    The ten numbers are the length of the translation, the length of the reference, the numbers of
    matched n-grams for n = 1…4, and the numbers of all n-grams in the translation for n = 1…4.
    """
    from sacrebleu.metrics import BLEU

    scorer = BLEU(**options(rows), effective_order=True)
    table = np.zeros((len(rows), 2 + 2 * ORDERS))
    texts = columns(rows, predictions).values()
    for line, translation, reference in zip(table, *texts, strict=True):
        counted = scorer.sentence_score(translation, [reference])
        line[:] = [counted.sys_len, counted.ref_len, *counted.counts, *counted.totals]
    return table


def value(sums: Array) -> Array:
    """Brevity penalty times the geometric mean of the precisions, with sacrebleu's smoothing.

    The first n-gram order without a match counts as 1/2 of a match, the next as 1/4, and so on
    (Chen & Cherry 2014, method 3). The score is 0 if no n-gram order has a match.
    """
    length, reference_length = sums[..., 0], sums[..., 1]
    matches, ngrams = sums[..., 2 : 2 + ORDERS], sums[..., 2 + ORDERS :]
    smoothed = 0.5 ** np.cumsum(matches == 0, axis=-1)
    precisions = safe_divide(np.where(matches == 0, smoothed, matches), ngrams, empty=0.0)
    with np.errstate(divide="ignore"):
        mean = np.exp(np.log(precisions).mean(-1))
    penalty = np.exp(np.minimum(0.0, 1 - safe_divide(reference_length, length, empty=np.inf)))
    return np.where(matches.any(-1), 100 * penalty * mean, 0.0)


def _tokenizer(references: Sequence[str]) -> str:
    """`char` if most letters belong to a script without spaces; else `13a`, sacrebleu's default."""
    text = "".join(references)
    letters = sum(map(str.isalpha, text))
    return "char" if 2 * len(UNSPACED.findall(text)) > letters else "13a"
