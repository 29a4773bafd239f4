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

# Han, kana, Thai, Lao, Khmer and Burmese are written without spaces between words: there BLEU
# counts characters, as WMT does where no segmenter is at hand.
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def columns(rows: Sequence[Any], predictions: Sequence[Any]) -> dict[str, list[str]]:
    """Translations and references."""
    return {
        "predictions": [answer["target"] for answer in predictions],
        "references": [row.target for row in rows],
    }


def compute(predictions: list[str], references: list[str]) -> float:
    """The library's corpus score."""
    from sacrebleu.metrics import BLEU

    scorer = BLEU(tokenize=_tokenizer(references))
    return float(scorer.corpus_score(predictions, [references]).score)


def signature(rows: Sequence[Any]) -> str:
    """What sacrebleu asks to be told beside a score: tokenizer, smoothing, version."""
    from sacrebleu.metrics import BLEU

    scorer = BLEU(tokenize=_tokenizer([row.target for row in rows]))
    scorer.corpus_score(["a"], [["a"]])
    return str(scorer.get_signature())


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """(rows, 10): lengths of answer and reference, n-grams hit and answered for n of 1 to 4."""
    from sacrebleu.metrics import BLEU

    both = columns(rows, predictions)
    scorer = BLEU(tokenize=_tokenizer(both["references"]), effective_order=True)
    table = np.zeros((len(rows), 2 + 2 * ORDERS))
    for line, answer, truth in zip(table, *both.values(), strict=True):
        found = scorer.sentence_score(answer, [truth])
        line[:] = [found.sys_len, found.ref_len, *found.counts, *found.totals]
    return table


def value(sums: Array) -> Array:
    """Brevity penalty times the geometric mean of the precisions, with sacrebleu's smoothing.

    An order without a hit counts as 1/2, the next such as 1/4 … of one (Chen & Cherry 2014,
    method 3), unless there is no hit at all.
    """
    length, wanted = sums[..., 0], sums[..., 1]
    hit, answered = sums[..., 2 : 2 + ORDERS], sums[..., 2 + ORDERS :]
    smooth = 0.5 ** np.cumsum(hit == 0, axis=-1)
    precision = safe_divide(np.where(hit == 0, smooth, hit), answered, empty=0.0)
    with np.errstate(divide="ignore"):
        mean = np.exp(np.log(precision).mean(-1))
    penalty = np.exp(np.minimum(0.0, 1 - safe_divide(wanted, length, empty=np.inf)))
    return np.where(hit.any(-1), 100 * penalty * mean, 0.0)


def _tokenizer(references: Sequence[str]) -> str:
    """`char` where most letters belong to a script without spaces, else sacrebleu's default."""
    text = "".join(references)
    letters = sum(map(str.isalpha, text))
    return "char" if 2 * len(UNSPACED.findall(text)) > letters else "13a"
