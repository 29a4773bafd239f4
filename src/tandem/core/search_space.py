"""Where `tandem tune` looks for better settings: the params `TASK.tune`, which a task may have.

intent:
  tune:
    objective: span_f1
    ranges:
      learning_rate: {low: 1.0e-5, high: 3.0e-4, log: true}
      dropout: {choices: [0.0, 0.1]}
      model.span_weight: {low: 0.5, high: 2.0}

A dot goes into a part. `tandem check` looks at it like at any other section.
"""

from typing import Any, Self

from pydantic import Field, model_validator

from tandem.core.schema import StrictModel


class ParamRange(StrictModel):
    """The values that one key may take: from `low` to `high`, or one of `choices`."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    """Whether a factor counts, not a difference; for learning rates."""
    choices: list[bool | int | float | str | None] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.low is None) != (self.high is None) or (self.low is None) == (
            self.choices is None
        ):
            raise ValueError("needs low and high, or choices")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError("low must be below high")
        if self.log and (self.low is None or self.low <= 0):
            raise ValueError("log needs a low above 0")
        return self

    @property
    def ends(self) -> list[Any]:
        """The values by which the whole range is known to be allowed."""
        return [self.low, self.high] if self.choices is None else list(self.choices)

    def __contains__(self, value: Any) -> bool:
        if self.choices is not None:
            return value in self.choices
        return isinstance(value, int | float) and bool(self.ends[0] <= value <= self.ends[1])


class SearchSpace(StrictModel):
    """What is searched, and what for."""

    objective: str = "validation_loss"
    """The least `validation_loss`, or one of the task's metrics on validation rows."""
    ranges: dict[str, ParamRange] = Field(min_length=1)
    """By key of `TASK.train`; a dot goes into a part: `model.span_weight`."""
