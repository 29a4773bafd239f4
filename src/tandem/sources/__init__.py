"""Sources of rows: one module each, chosen by its name in params.yaml.

A source module defines `Params(SourceParams)` and the functions of `Source`. It returns raw
records: the stage adds missing ids, and the task parses each record.
"""

from typing import Annotated, Any, Protocol, cast

from tandem.core.raw_records import RawRecords, SourceInfo
from tandem.core.schema import PluginParams, plugin_field


class Source(Protocol):
    """The functions that a source module defines."""

    def rows(self, params: Any) -> RawRecords:
        """Yield the raw records, with an `Unreadable` in place of each that cannot be read."""

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
