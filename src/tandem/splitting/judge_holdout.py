"""Hold out rows and ratings for an independent judge.

The judge rates the texts of a generator that has been aligned with a reward model. To be
independent, the judge must not be trained on ratings or texts that the reward model was trained on.
Some of the training groups are therefore held out for the judge, and every n-th rating of each text
is reserved for the judge, where n is `every_nth_rating`. Each split keeps these ratings of its
texts:

    train, validation    all ratings except those reserved for the judge
    judge                only the ratings reserved for the judge
    test                 all ratings

The judge and the reward model share no ratings, but because raters are anonymous, they may share
raters.
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
    """The groups and ratings that are held out for the judge."""

    fraction: float = Field(gt=0, lt=1)
    """Fraction of the training groups that is held out for the judge."""
    every_nth_rating: int = Field(ge=2)
    """Interval n: the judge gets every n-th rating of each text, starting with the first."""


def set_aside(assignment: Mapping[str, str], params: JudgeHoldout, salt: str) -> dict[str, str]:
    """Move `params.fraction` of the training groups to the split `judge`.

    The moved groups are the first in the order of sha256(salt + "judge" + group).

    Args:
        assignment: Group → split.
        params: The fraction of groups to hold out.
        salt: A different salt holds out different groups.
    """
    train = sorted(
        (group for group, split in assignment.items() if split == "train"),
        key=lambda group: draw_key(f"{salt}\0{JUDGE}", group),
    )
    held_out = train[: round(len(train) * params.fraction)]
    return {**assignment, **dict.fromkeys(held_out, JUDGE)}


def with_ratings(row: Row, split: str, every_nth: int) -> Row:
    """Return `row` with only the ratings that `split` may use.

    A row without ratings is returned unchanged.

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
    kept = tuple(
        rating for i, rating in enumerate(ratings) if (i % every_nth == 0) == (split == JUDGE)
    )
    return replace(row, ratings=kept)  # type: ignore[call-arg]
