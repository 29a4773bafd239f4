"""Where rows come from: one kind of source a file.

A source has `Params(Plugin)`, `rows(params)`, which yields raw records (column → value) or an
`Unreadable` in the place of one, and `origin(params)`, which the data card tells. What passes
through here is raw: the stage fills in missing ids, and the task checks every record.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from tandem.core.params import Strict


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that could not be read: a short, countable reason, and what stood there."""

    reason: str
    text: str


Record = Mapping[str, Any]
Records = Iterable[Record | Unreadable]


class About(Strict):
    """What people must know of data before they use it; params.yaml gives it for own files."""

    title: str
    description: str
    licence: str = Field(description="an identifier that the Hugging Face hub knows, or `other`")
    languages: list[str] = Field(description="ISO 639 codes")
    citation: str = ""
    limits: list[str] = Field(default=[])


UNKNOWN = About(
    title="",
    description="Rows of the user's own; params.yaml says nothing about them.",
    licence="unknown",
    languages=[],
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows came from, exactly: `about` them, and the pins that name the bytes."""

    about: About
    pins: dict[str, str] = field(default_factory=dict)
