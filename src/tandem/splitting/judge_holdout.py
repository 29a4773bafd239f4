"""Hold out rows and ratings for an independent judge.

The judge rates the texts of a generator that has been aligned with a reward model. To be
independent, it must not be trained on the ratings and texts that the reward model saw. Some of the
training groups are therefore held out for it, with some of their ratings; the remaining training
and validation rows keep the other ratings:

                    train, validation    judge          test
    ratings         the others           the judge's    all

One in `every_nth_rating` ratings of a text goes to the judge. No rating is used twice, but raters
are anonymous, so one person may have rated texts on both sides.
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
    """Fraction of the training groups."""
    every_nth_rating: int = Field(ge=2)
    """With 4, every fourth rating of a text, starting with the first, goes to the judge."""


def set_aside(assignment: Mapping[str, str], params: JudgeHoldout, salt: str) -> dict[str, str]:
    """Move `params.fraction` of the training groups to the judge.

    They are the first groups in the order of sha256(salt + judge + group).

    Args:
        assignment: Group → split.
        params: How much is held out.
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
