"""Params that the preference stages share, validated without torch."""

from pydantic import Field

from tandem.core.schema import StrictModel


class PairFilter(StrictModel):
    """When one text counts as preferred to another."""

    min_margin: float = Field(gt=0)
    """Smallest difference of the two mean ratings, in steps of the rating scale."""
    min_z: float = Field(ge=0)
    """Smallest difference in standard errors (Welch 1947); at 3, one pair in 700 is due to
    chance."""


class ClassContrast(StrictModel):
    """Two classes of the encoder; the initial reward is the difference of their logits."""

    better: str
    """Class of texts that should get a high reward."""
    worse: str
    """Class of texts that should get a low reward."""


class GenerationParams(StrictModel):
    """What a generator continues, and how far."""

    prompt_words: int = Field(ge=0)
    """Number of words of a text that form its prompt; with 0, the generator starts without one."""
    max_new_tokens: int = Field(ge=1)
    """Maximum number of tokens that are sampled."""
    batch_size: int = Field(ge=1)
    """Continuations per batch."""
