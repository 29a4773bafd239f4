"""Preference pairs from ratings: two texts from the same domain, one rated clearly higher.

Pairs are formed within one split, and no text occurs in two pairs. Therefore, no test pair contains
a training text, and the pairs are independent units of the bootstrap.
"""

import math
import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tandem.core import params, paths
from tandem.core import task as tasks
from tandem.core.determinism import generator
from tandem.core.errors import DataError, ParamsError
from tandem.core.params import Preference, Runtime
from tandem.core.rows import Row, read_rows
from tandem.preferences.params import PairFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two texts from the same domain; `gap` is the difference between their mean ratings."""

    id: str
    group: str
    domain: str
    chosen: str
    rejected: str
    gap: float


@dataclass(frozen=True, slots=True)
class RatedText:
    """A row with the mean of its ratings and the standard error of that mean."""

    row: Row
    mean: float
    error: float


def preference_of(task_name: str) -> Preference:
    """Return the section `preferences.TASK` of params.yaml.

    Raises:
        ParamsError: there is no such section.
    """
    preferences = params.project().preferences
    if task_name not in preferences:
        available = ", ".join(preferences) or "none"
        raise ParamsError(
            f"{paths.PARAMS}: preferences.{task_name} is missing; tasks with preferences: "
            f"{available}"
        )
    return preferences[task_name]


def rated_rows(task_name: str, split: str) -> list[Row]:
    """Read the rows of one split of a task."""
    return read_rows(paths.split(task_name) / f"{split}.parquet", tasks.load(task_name).row)


def pairs_of(
    task_name: str, split: str, pair_filter: PairFilter, limit: int | None, runtime: Runtime
) -> list[Pair]:
    """Form at most `limit` pairs from the rated rows of a split.

    The random order of the pairs does not depend on the stage that calls this function.
    """
    rows = rated_rows(task_name, split)
    return form_pairs(rows, pair_filter, limit, generator(runtime, task_name, "pairs", split))


def form_pairs(
    rows: Iterable[Row], pair_filter: PairFilter, limit: int | None, stream: random.Random
) -> list[Pair]:
    """From `rows`, form at most `limit` disjoint pairs that pass `pair_filter`, in random order.

    The rows of each domain are shuffled. Each row is then paired with the first preceding row that
    is still unpaired and with which it passes `pair_filter`. Rows with fewer than two ratings are
    left out, because their standard error is unknown. A pair's id consists of the ids of the chosen
    and the rejected row.

    Raises:
        DataError: no two rows of the same domain differ enough in their ratings.
    """
    texts = rated_texts(rows)
    domains = sorted({text.row.domain for text in texts})
    pairs = []
    for domain in domains:
        in_domain = [text for text in texts if text.row.domain == domain]
        stream.shuffle(in_domain)
        pairs += _match(in_domain, pair_filter)
    if not pairs:
        raise DataError(
            "no preference pairs: no two rows of the same domain have mean ratings that differ by "
            f"at least {pair_filter.min_margin} and by at least {pair_filter.min_z} standard "
            "errors. Rows need `ratings` from several people"
        )
    stream.shuffle(pairs)
    return pairs[:limit]


def rated_texts(rows: Iterable[Row]) -> list[RatedText]:
    """The rows with at least two ratings, with the mean rating and its standard error."""
    texts = []
    for row in rows:
        ratings: tuple[int, ...] = getattr(row, "ratings", ())
        if len(ratings) >= 2:
            error = math.sqrt(statistics.variance(ratings) / len(ratings))
            texts.append(RatedText(row, statistics.fmean(ratings), error))
    return texts


def _match(texts: Sequence[RatedText], pair_filter: PairFilter) -> list[Pair]:
    unpaired: list[RatedText] = []
    pairs = []
    for text in texts:
        partner = next((u for u in unpaired if distinguishable(text, u, pair_filter)), None)
        if partner is None:
            unpaired.append(text)
        else:
            unpaired.remove(partner)
            pairs.append(_pair(*sorted((text, partner), key=lambda rated: rated.mean)))
    return pairs


def distinguishable(a: RatedText, b: RatedText, pair_filter: PairFilter) -> bool:
    """Whether the ratings of `a` and `b` differ enough to form a pair.

    The mean ratings must differ by at least `min_margin`, and by at least `min_z` standard errors.
    """
    margin = abs(a.mean - b.mean)
    min_margin = max(pair_filter.min_margin, pair_filter.min_z * math.hypot(a.error, b.error))
    return margin >= min_margin


def _pair(worse: RatedText, better: RatedText) -> Pair:
    pair_id = f"{better.row.id}>{worse.row.id}"
    return Pair(
        id=pair_id,
        group=pair_id,
        domain=better.row.domain,
        chosen=better.row.text,
        rejected=worse.row.text,
        gap=better.mean - worse.mean,
    )
