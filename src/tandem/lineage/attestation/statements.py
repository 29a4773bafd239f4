"""The schema of a signed statement: in-toto Statement v1 with SLSA provenance v1.

The schema contains only the fields that Tandem writes. Statements with other fields are rejected.
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
"""The buildType of a statement about a stage, whose command DVC or Snakemake ran."""
REVISION: Final = "urn:tandem:build:revision:v1"
"""The buildType of the statement about the revision, which is the last statement in a bundle."""
BUILDER: Final = "urn:tandem:builder:v1"
BuildType = Literal["urn:tandem:build:stage:v1", "urn:tandem:build:revision:v1"]


class _Camel(StrictModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Subject(_Camel):
    """A file: its path relative to the project's root, and its digest."""

    name: str
    digest: dict[Literal["sha256"], str]


class Resource(_Camel):
    """An input, as an in-toto ResourceDescriptor."""

    name: str
    uri: str | None = None
    digest: dict[str, str]
    annotations: dict[str, int] | None = None


class BuildDefinition(_Camel):
    """The buildDefinition of SLSA provenance: a command, its params and its inputs."""

    build_type: BuildType
    external_parameters: dict[str, Any]
    internal_parameters: dict[str, Any]
    resolved_dependencies: list[Resource]


class Builder(_Camel):
    """The builder. The host is not named, so that statements do not depend on it."""

    id: Literal["urn:tandem:builder:v1"] = BUILDER


class RunDetails(_Camel):
    """The builder. The optional start and end times are left out, as records contain no times."""

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
    def _consistent(self) -> Self:
        if len(self.subjects) < len(self.subject):
            raise ValueError("a subject is named twice")
        if self.is_revision:
            if not isinstance(self.external.get("stages"), list):
                raise ValueError("the stages of the revision are missing")
        elif not isinstance(self.external.get("stage"), str) or len(self.records) != 1:
            raise ValueError("a statement about a stage must name one stage and one record")
        return self

    @property
    def external(self) -> Mapping[str, Any]:
        """The externalParameters of the statement.

        A statement about a stage contains `stage`, `command` and `params`; the statement about the
        revision contains `stages`.
        """
        return self.predicate.build_definition.external_parameters

    @property
    def is_revision(self) -> bool:
        """Whether the statement is about the whole revision."""
        return self.predicate.build_definition.build_type == REVISION

    @property
    def stage(self) -> str:
        """The name of the stage, or "the revision" if the statement is about the whole revision."""
        return "the revision" if self.is_revision else str(self.external["stage"])

    @property
    def subjects(self) -> dict[str, str]:
        """Path → SHA-256 of the files that the statement is about."""
        return {subject.name: subject.digest["sha256"] for subject in self.subject}

    @property
    def records(self) -> dict[str, str]:
        """Path → SHA-256 of the records among the subjects. A stage has exactly one record."""
        folder = f"{paths.RECORDS}/"
        return {name: sha for name, sha in self.subjects.items() if name.startswith(folder)}

    @property
    def commit(self) -> str:
        """The Git commit that the statement is about."""
        dependencies = self.predicate.build_definition.resolved_dependencies
        return next((d.digest["gitCommit"] for d in reversed(dependencies) if d.name == "git"), "")

    def payload(self) -> bytes:
        """The bytes that are signed."""
        value = self.model_dump(by_alias=True, exclude_none=True)
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)
        return text.encode()
