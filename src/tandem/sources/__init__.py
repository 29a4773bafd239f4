"""Sources of rows; each is a module that is selected by name in params.yaml.

A source module defines `Params(SourceParams)` and the functions of `Source`. A source returns raw
records; the stage `fetch` adds missing ids, and the task parses each record.
"""

from typing import Annotated, Any, Protocol, cast

from tandem.core.raw_records import RawRecords, SourceInfo
from tandem.core.schema import PluginParams, plugin_field


class Source(Protocol):
    """The functions that a source module defines."""

    def rows(self, params: Any) -> RawRecords:
        """Yield the raw records, and an `Unreadable` for each record that cannot be read."""

    def origin(self, params: Any) -> SourceInfo:
        """Return where the rows came from, for the data card."""


class SourceParams(PluginParams):
    """Base class of the params of a source."""

    @property
    def plugin(self) -> Source:  # type: ignore[override]
        """The source's module."""
        return cast(Source, super().plugin)


AnySource = Annotated[SourceParams, plugin_field("sources")]
"""A field of params.yaml that chooses a source by `kind`."""
