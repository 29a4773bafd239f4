"""Sources of rows: one file each, found by name.

A source module defines `Params(SourceParams)` and the functions of `Source`. Records are raw: the
stage adds missing ids, and the task checks each record.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, cast

from pydantic import Field

from tandem.core.schema import PluginParams, StrictModel, plugin_field


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that could not be read: a short reason, which is counted, and its content."""

    reason: str
    text: str


RawRecord = Mapping[str, Any]
"""Column → value."""
RawRecords = Iterable[RawRecord | Unreadable]


class DatasetInfo(StrictModel):
    """Description of a dataset; for the user's own files, params.yaml gives it."""

    title: str
    description: str
    license: str = Field(description="an identifier of the Hugging Face hub, or `other`")
    languages: list[str] = Field(description="ISO 639 codes")
    citation: str = ""
    limits: list[str] = Field(default=[])


UNKNOWN = DatasetInfo(
    title="",
    description="The user's own rows; params.yaml does not describe them.",
    license="unknown",
    languages=[],
)


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Exactly where rows came from: a description, and the pins that identify the bytes."""

    about: DatasetInfo
    pins: dict[str, str] = field(default_factory=dict)


class Source(Protocol):
    """What a module in this folder defines."""

    def rows(self, params: Any) -> RawRecords:
        """The raw records, with an `Unreadable` in place of one that cannot be read."""

    def origin(self, params: Any) -> SourceInfo:
        """Where the rows came from, for the data card."""


class SourceParams(PluginParams):
    """Base class of a source's settings."""

    @property
    def plugin(self) -> Source:  # type: ignore[override]
        """The source."""
        return cast(Source, super().plugin)


AnySource = Annotated[SourceParams, plugin_field("sources")]
"""A field of params.yaml that chooses a source by `kind`."""
