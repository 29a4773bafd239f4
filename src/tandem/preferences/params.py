"""What the preference stages share of their params; apart from what needs torch."""

from pydantic import Field

from tandem.core.schema import StrictModel


class PairFilter(StrictModel):
    """When one text counts as preferred to another."""

    min_margin: float = Field(gt=0)
    """Smallest difference of the two mean ratings, in steps of the rating scale."""
    min_z: float = Field(ge=0)
    """Smallest difference in standard errors (Welch 1947); 3 leaves 1 pair in 700 to chance."""


class ClassContrast(StrictModel):
    """Two classes of the encoder whose logits' difference the reward starts as."""

    better: str
    worse: str


class GenerationParams(StrictModel):
    """What a generator goes on from, and how far."""

    prompt_words: int = Field(ge=0)
    """Words of a text that make its prompt; with 0 the generator starts from nothing."""
    max_new_tokens: int = Field(ge=1)
    """Tokens drawn at the most."""
    batch_size: int = Field(ge=1)
    """Continuations drawn at once."""
