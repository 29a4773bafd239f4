"""Sources of rows: one module each, chosen by its name in params.yaml.

A source module defines `Params(SourceParams)` and the functions of `Source`. It returns raw
records: the stage adds missing ids, and the task parses each record.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, cast

from pydantic import Field

from tandem.core.schema import PluginParams, StrictModel, plugin_field


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that could not be read: a short reason, by which it is counted, and its content."""

    reason: str
    text: str


RawRecord = Mapping[str, Any]
"""Column → value."""
RawRecords = Iterable[RawRecord | Unreadable]


class DatasetInfo(StrictModel):
    """Description of a dataset; for the user's own files it is written in params.yaml."""

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
    """Where rows came from: a description, and the pins that identify the exact bytes."""

    about: DatasetInfo
    pins: dict[str, str] = field(default_factory=dict)


class Source(Protocol):
    """The functions that a source module defines."""

    def rows(self, params: Any) -> RawRecords:
        """Yield the raw records, with an `Unreadable` in place of one that cannot be read."""

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
