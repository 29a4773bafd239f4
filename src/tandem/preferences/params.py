"""Params that the preference stages share, validated without importing torch."""

from typing import Self

from pydantic import Field, model_validator

from tandem.core.schema import StrictModel
from tandem.core.training_params import TrainingParams


class PairFilter(StrictModel):
    """The conditions under which one text counts as preferred to another."""

    min_margin: float = Field(gt=0)
    """Minimum difference between the mean ratings of two texts, in steps of the rating scale."""
    min_z: float = Field(ge=0)
    """Minimum difference between the mean ratings of two texts, in standard errors (Welch 1947);
    with 3, about one in 370 pairs of equally good texts differs that much by chance."""


class ClassContrast(StrictModel):
    """Two classes of the encoder; the initial reward is the difference between their logits."""

    better: str
    """Class of texts that should get a high reward."""
    worse: str
    """Class of texts that should get a low reward."""


class GenerationParams(StrictModel):
    """Which prompts a generator continues, and how long the continuations may be."""

    prompt_words: int = Field(ge=0)
    """Number of words at the start of a text that form the prompt; with 0, the generator starts
    without a prompt."""
    max_new_tokens: int = Field(ge=1)
    """Maximum number of tokens that are sampled per continuation."""
    batch_size: int = Field(ge=1)
    """Continuations per batch."""


class AlignmentParams(TrainingParams):
    """How the generator is aligned; `max_rows` and `max_validation_rows` count prompts."""

    generation: GenerationParams
    """Which prompts the generator continues, and the length of its continuations."""
    samples_per_prompt: int = Field(default=4, ge=2)
    """Number of continuations sampled per prompt."""
    pairs_per_prompt: int = Field(default=1, ge=1)
    """Number of pairs per prompt, at most half of `samples_per_prompt`; each pair consists of one
    of the best continuations and one of the worst."""
    beta: float = Field(default=0.1, gt=0)
    """How strongly DPO keeps the model close to the base model; Rafailov et al. (2023) use 0.1 to
    0.5."""
    sft_weight: float = Field(default=0.0, ge=0)
    """Weight of the negative log-likelihood of chosen samples; Pang et al. (2024) use 1."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.samples_per_prompt < 2 * self.pairs_per_prompt:
            raise ValueError("samples_per_prompt must be at least twice pairs_per_prompt")
        if self.max_length <= self.generation.max_new_tokens:
            raise ValueError(
                "max_length includes the prompt, so it must be greater than max_new_tokens"
            )
        return self


class PreferenceEvaluationParams(StrictModel):
    """Which pairs and prompts are taken from the test rows."""

    pairs: PairFilter
    """Which texts form a preference pair; use the same values as for the stage `reward`."""
    max_pairs: int | None = Field(default=None, ge=1)
    """Maximum number of test pairs; null uses all of them."""
    generation: GenerationParams
    """Which prompts the base and the aligned generator continue, and the length of their
    continuations."""
    max_prompts: int = Field(ge=1)
    """Maximum number of test prompts."""
