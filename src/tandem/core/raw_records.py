"""Raw records, which a source returns and a task parses, and the description of a dataset."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from tandem.core.schema import StrictModel


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An unreadable record: its content, and a short reason; such records are counted by reason."""

    reason: str
    text: str


RawRecord = Mapping[str, Any]
"""Column → value."""
RawRecords = Iterable[RawRecord | Unreadable]


class DatasetInfo(StrictModel):
    """Description of a dataset; for the user's own files it is written in params.yaml."""

    title: str
    """Title of the data card."""
    description: str
    """What the rows are and how they were collected."""
    license: str
    """License of the rows, as a license identifier of the Hugging Face Hub, or `other`."""
    languages: list[str]
    """Languages of the texts, as ISO 639 codes."""
    citation: str = ""
    """How to cite the dataset."""
    limits: list[str] = Field(default=[])
    """Known limitations, one sentence each."""


UNKNOWN = DatasetInfo(
    title="",
    description="The user's own rows; params.yaml does not describe them.",
    license="unknown",
    languages=[],
)


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """The origin of rows: a description of the dataset, and identifiers such as its hash."""

    about: DatasetInfo
    pins: dict[str, str] = field(default_factory=dict)
