"""Rows and ratings that only a second, independent judge learns from.

A judge of what the reward model has made of a generator is worth little if it learned from the
same people's word on the same texts. So some of the training groups are set aside for it, with
some of their ratings; the rest of the training and validation rows keep the other ratings:

                    train, validation    judge          test
    ratings         the others           the judge's    all

A source lists the ratings of a text without names. `every` takes each so-manieth place for the
judge: that no rating is in two hands is certain, that no person stands at two places is not.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from tandem.core.paths import JUDGE
from tandem.core.rows import Row
from tandem.core.schema import StrictModel
from tandem.splitting.stratified_groups import draw_key


class JudgeHoldout(StrictModel):
    """What is set aside."""

    fraction: float = Field(gt=0, lt=1)
    """Of the groups of train."""
    every_nth_rating: int = Field(ge=2)
    """4: each fourth rating of a text, from the first on, is the judge's."""


def set_aside(place: Mapping[str, str], jury: JudgeHoldout, salt: str) -> dict[str, str]:
    """The split of each group, `jury.fraction` of those of train being the judge's now.

    They are the first in the order of sha256(salt + judge + group).
    """
    train = sorted(
        (group for group, split in place.items() if split == "train"),
        key=lambda group: draw_key(f"{salt}\0{JUDGE}", group),
    )
    chosen = train[: round(len(train) * jury.fraction)]
    return {**place, **dict.fromkeys(chosen, JUDGE)}


def with_ratings(row: Row, split: str, every: int) -> Row:
    """`row` with the ratings that `split` may know; a row without ratings as it is.

    >>> from tandem.tasks.sentiment import SentimentRow
    >>> row = SentimentRow(
    ...     id="a", group="a", domain="d", text="t", label="neutral", ratings=(1, 2, 3, 4, 5)
    ... )
    >>> with_ratings(row, "train", 4).ratings, with_ratings(row, "judge", 4).ratings
    ((2, 3, 4), (1, 5))
    """
    ratings: tuple[Any, ...] = getattr(row, "ratings", ())
    if not ratings or split == "test":
        return row
    kept = tuple(r for at, r in enumerate(ratings) if (at % every == 0) == (split == JUDGE))
    return replace(row, ratings=kept)  # type: ignore[call-arg]
