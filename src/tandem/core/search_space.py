"""The search space of `tandem tune`: the optional section `TASK.tune` of params.yaml.

intent:
  tune:
    objective: span_f1
    ranges:
      learning_rate: {low: 1.0e-5, high: 3.0e-4, log: true}
      dropout: {choices: [0.0, 0.1]}
      model.span_weight: {low: 0.5, high: 2.0}

A dot separates the keys of nested sections. `tandem check` checks this section like any other.
"""

from typing import Any, Self

from pydantic import Field, model_validator

from tandem.core.schema import StrictModel


class ParamRange(StrictModel):
    """The values that a key can take: from `low` to `high`, or one of `choices`."""

    low: int | float | None = None
    """Smallest value."""
    high: int | float | None = None
    """Largest value."""
    log: bool = False
    """Whether to sample on a logarithmic scale, as for learning rates."""
    choices: list[bool | int | float | str | None] | None = Field(default=None, min_length=1)
    """The values to choose from, instead of a range."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.low is None) != (self.high is None) or (self.low is None) == (
            self.choices is None
        ):
            raise ValueError("needs low and high, or choices")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError("low must be below high")
        if self.log and (self.low is None or self.low <= 0):
            raise ValueError("low must be above 0 if log is true")
        return self

    @property
    def bounds(self) -> list[Any]:
        """The choices, or both ends of the range.

        If both ends of a range are valid, so are all values in between.
        """
        return [self.low, self.high] if self.choices is None else list(self.choices)

    def __contains__(self, value: Any) -> bool:
        if self.choices is not None:
            return value in self.choices
        return isinstance(value, int | float) and bool(self.bounds[0] <= value <= self.bounds[1])


class SearchSpace(StrictModel):
    """The keys of `TASK.train` to tune, and the objective."""

    objective: str = "validation_loss"
    """The value to optimize on validation rows: `validation_loss` or one of the task's metrics."""
    ranges: dict[str, ParamRange] = Field(min_length=1)
    """Key of `TASK.train` (for example `model.span_weight`) → its values."""
