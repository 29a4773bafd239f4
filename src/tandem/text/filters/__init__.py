"""Filters of the stage `clean`; each is a module that params.yaml selects by name.

A filter module defines the class `Params`, derived from `FilterParams`, and the function
`drop_reasons`, as declared in `Filter`. The design follows datatrove's filters, but a filter sees
all rows at once, so that deduplication can be a filter, too.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Protocol, cast

from tandem.core.rows import Row
from tandem.core.schema import PluginParams, plugin_field
from tandem.core.task import BaseTask


class Filter(Protocol):
    """The function that a filter module defines."""

    def drop_reasons(
        self, rows: Sequence[Row], task: BaseTask, params: Any
    ) -> Iterator[str | None]:
        """Yield, for each row in order, None to keep it or a short reason to drop it.

        `rows` are the rows that all earlier filters kept. The stage `clean` counts the dropped
        rows by reason.
        """


class FilterParams(PluginParams):
    """Base class of the params of a filter."""

    @property
    def plugin(self) -> Filter:  # type: ignore[override]
        """The filter's module."""
        return cast(Filter, super().plugin)


AnyFilter = Annotated[FilterParams, plugin_field("text.filters")]
"""A field of params.yaml that chooses a filter by `kind`."""
