"""Filters of the `clean` stage: one file each, found by name, applied in the order of params.

A filter module defines `Params(FilterParams)` and the function of `Filter`. It is the design of
datatrove's filters, but over all rows instead of one, so that removing duplicates is a filter too.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Protocol, cast

from tandem.core.rows import Row
from tandem.core.schema import PluginParams, plugin_field
from tandem.core.task import BaseTask


class Filter(Protocol):
    """What a module in this folder defines."""

    def judge(self, rows: Sequence[Row], task: BaseTask, params: Any) -> Iterator[str | None]:
        """For each row, in order: None to keep it, or a short reason to drop it.

        `rows` are those that all earlier filters kept. Reasons are counted.
        """


class FilterParams(PluginParams):
    """Base class of a filter's settings."""

    @property
    def plugin(self) -> Filter:  # type: ignore[override]
        """The filter."""
        return cast(Filter, super().plugin)


AnyFilter = Annotated[FilterParams, plugin_field("text.filters")]
"""A field of params.yaml that chooses a filter by `kind`."""
