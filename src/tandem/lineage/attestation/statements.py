"""What a signed statement looks like: in-toto Statement v1 with SLSA provenance v1, strictly.

Only the fields that Tandem writes are here; a statement with any other is not one of ours.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from tandem.core import paths
from tandem.core.schema import StrictModel

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STAGE: Final = "urn:tandem:build:stage:v1"
"""buildType of a stage's statement: DVC or Snakemake ran the command, which wrote its record."""
REVISION: Final = "urn:tandem:build:revision:v1"
"""buildType of the last statement, over all records and the files that every revision has."""
BUILDER: Final = "urn:tandem:builder:v1"
BuildType = Literal["urn:tandem:build:stage:v1", "urn:tandem:build:revision:v1"]


class _Camel(StrictModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Subject(_Camel):
    """A file, by its path from the project's root."""

    name: str
    digest: dict[Literal["sha256"], str]


class Resource(_Camel):
    """What went in: a ResourceDescriptor of in-toto."""

    name: str
    uri: str | None = None
    digest: dict[str, str]
    annotations: dict[str, int] | None = None


class BuildDefinition(_Camel):
    """What was run, on what."""

    build_type: BuildType
    external_parameters: dict[str, Any]
    internal_parameters: dict[str, Any]
    resolved_dependencies: list[Resource]


class Builder(_Camel):
    """Who ran it; no host is named, for the same revision must give the same bytes."""

    id: Literal["urn:tandem:builder:v1"] = BUILDER


class RunDetails(_Camel):
    """Of the run itself, only its builder: times are not part of a record."""

    builder: Builder


class Predicate(_Camel):
    """SLSA provenance v1."""

    build_definition: BuildDefinition
    run_details: RunDetails


class Statement(_Camel):
    """An in-toto Statement v1 about one stage, or about the revision."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(
        default="https://in-toto.io/Statement/v1", alias="_type"
    )
    subject: list[Subject]
    predicate_type: Literal["https://slsa.dev/provenance/v1"] = "https://slsa.dev/provenance/v1"
    predicate: Predicate

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if len(self.subjects) < len(self.subject):
            raise ValueError("a subject is named twice")
        if self.is_revision:
            if not isinstance(self.external.get("stages"), list):
                raise ValueError("the stages of the revision are missing")
        elif not isinstance(self.external.get("stage"), str) or len(self.records) != 1:
            raise ValueError("it must have one stage and its one record")
        return self

    @property
    def external(self) -> Mapping[str, Any]:
        """Of a stage: `stage`, `command`, `params`; of the revision: `stages`."""
        return self.predicate.build_definition.external_parameters

    @property
    def is_revision(self) -> bool:
        """Whether it is over the whole revision."""
        return self.predicate.build_definition.build_type == REVISION

    @property
    def stage(self) -> str:
        """The stage it is about, or `the revision`."""
        return "the revision" if self.is_revision else str(self.external["stage"])

    @property
    def subjects(self) -> dict[str, str]:
        """Path → SHA-256 of all that it vouches for."""
        return {each.name: each.digest["sha256"] for each in self.subject}

    @property
    def records(self) -> dict[str, str]:
        """Those of `subjects` that are records; of a stage just one."""
        folder = f"{paths.RECORDS}/"
        return {name: sha for name, sha in self.subjects.items() if name.startswith(folder)}

    @property
    def commit(self) -> str:
        """The Git commit that it was signed at."""
        needed = self.predicate.build_definition.resolved_dependencies
        return next((d.digest["gitCommit"] for d in reversed(needed) if d.name == "git"), "")

    def payload(self) -> bytes:
        """The bytes that are signed."""
        value = self.model_dump(by_alias=True, exclude_none=True)
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)
        return text.encode()
