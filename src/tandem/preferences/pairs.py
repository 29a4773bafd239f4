"""Preference pairs from ratings: two texts of one domain, one clearly rated above the other.

Pairs are formed within one split, after the split, and no text is in two of them; so no pair of
a test holds a text of training, and the pairs are independent draws for the bootstrap.
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
    """Two texts of one domain; people rated `chosen` above `rejected` by `gap`."""

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


def preference_of(task: str) -> Preference:
    """What params.yaml says of the preferences of `task`.

    Raises:
        ParamsError: it says nothing.
    """
    known = params.project().preferences
    if task not in known:
        told = ", ".join(known) or "none"
        raise ParamsError(f"{paths.PARAMS}: preferences.{task} is missing. Tasks there: {told}")
    return known[task]


def rated_rows(task: str, split: str) -> list[Row]:
    """The rows of one split of `task`."""
    return read_rows(paths.split(task) / f"{split}.parquet", tasks.load(task).row)


def pairs_of(
    task: str, split: str, rule: PairFilter, most: int | None, runtime: Runtime
) -> list[Pair]:
    """Pairs of the rated rows of one split of `task`, the same ones for every stage that asks."""
    rows = rated_rows(task, split)
    return form_pairs(rows, rule, most, generator(runtime, task, "pairs", split))


def form_pairs(
    rows: Iterable[Row], rule: PairFilter, most: int | None, stream: random.Random
) -> list[Pair]:
    """Disjoint pairs of `rows` that `rule` accepts, `most` at the most, in random order.

    Each domain's rows are shuffled; a row pairs with the first row waiting that the rule lets it
    pair with, or waits itself. Rows with fewer than two ratings say nothing of their spread and
    are left out. The chosen row's id and the rejected row's make a pair's id.

    Raises:
        DataError: no two rows can be told apart by their ratings.
    """
    opinions = rated_texts(rows)
    domains = sorted({opinion.row.domain for opinion in opinions})
    pairs = []
    for domain in domains:
        own = [opinion for opinion in opinions if opinion.row.domain == domain]
        stream.shuffle(own)
        pairs += _match(own, rule)
    if not pairs:
        raise DataError(
            f"no preference pair: no two rows of a domain have ratings {rule.min_margin} apart at z ≥ "
            f"{rule.min_z}. Rows need `ratings` of several people"
        )
    stream.shuffle(pairs)
    return pairs[:most]


def rated_texts(rows: Iterable[Row]) -> list[RatedText]:
    """The rows that several people rated, with the mean rating and its standard error."""
    found = []
    for row in rows:
        ratings: tuple[int, ...] = getattr(row, "ratings", ())
        if len(ratings) >= 2:
            error = math.sqrt(statistics.variance(ratings) / len(ratings))
            found.append(RatedText(row, statistics.fmean(ratings), error))
    return found


def _match(opinions: Sequence[RatedText], rule: PairFilter) -> list[Pair]:
    waiting: list[RatedText] = []
    pairs = []
    for one in opinions:
        other = next((w for w in waiting if distinguishable(one, w, rule)), None)
        if other is None:
            waiting.append(one)
        else:
            waiting.remove(other)
            pairs.append(_pair(*sorted((one, other), key=lambda o: o.mean)))
    return pairs


def distinguishable(one: RatedText, other: RatedText, rule: PairFilter) -> bool:
    """Whether the means differ by `gap`, and by `z` standard errors of their difference."""
    gap = abs(one.mean - other.mean)
    return gap >= rule.min_margin and gap >= rule.min_z * math.hypot(one.error, other.error)


def _pair(worse: RatedText, better: RatedText) -> Pair:
    name = f"{better.row.id}>{worse.row.id}"
    return Pair(
        id=name,
        group=name,
        domain=better.row.domain,
        chosen=better.row.text,
        rejected=worse.row.text,
        gap=better.mean - worse.mean,
    )
