"""What benchmarks/latency.py measured, and which of it is of the models that were evaluated.

No stage makes the file, so what stands in it is checked here.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tandem.core.errors import StageError
from tandem.core.schema import StrictModel

Metrics = Mapping[str, Mapping[str, Any]]


class Scenario(StrictModel):
    """A variant's speed with texts that come alone, or in batches."""

    milliseconds_per_row: float
    speedup: float
    """By how much faster than the fp32 base: the median over the rounds, between the two ends."""
    low: float
    high: float


class Entry(StrictModel):
    """One variant: of which weights, or made of which base's, and then with which scores."""

    single: Scenario
    batch: Scenario
    weights_sha256: str | None = None
    of_sha256: str | None = None
    scores: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.weights_sha256 is None) == (self.of_sha256 is None):
            raise ValueError("needs either weights_sha256 or of_sha256")
        if (self.scores is None) != (self.of_sha256 is None):
            raise ValueError("of_sha256 and scores stand together")
        return self

    def current(self, metrics: Metrics, task: str, variant: str) -> bool:
        """Whether what was measured are the weights that were evaluated, or was made of them."""
        name = f"{task}-{variant if self.of_sha256 is None else 'base'}"
        found = metrics.get("evaluate", {}).get(name, {}).get("weights_sha256")
        return bool(found == (self.of_sha256 or self.weights_sha256))


class Latencies(BaseModel):
    """The file: what it was measured on, and `{TASK: {VARIANT: Entry}}` beside it."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, dict[str, Entry]] = Field(init=False)

    machine: dict[str, str | int | bool] = {}

    def entries(self, tasks: Sequence[str]) -> Iterator[tuple[str, str, Entry]]:
        """Task, variant and entry, of `tasks` alone."""
        for task in tasks:
            for variant, entry in (self.__pydantic_extra__ or {}).get(task, {}).items():
                yield task, variant, entry


def load(path: Path) -> Latencies:
    """What the file holds; nothing, if it is missing.

    Raises:
        StageError: it is not what benchmarks/latency.py writes.
    """
    if not path.exists():
        return Latencies()
    try:
        return Latencies.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        problem = f"{where}: {first['msg']}" if where else first["msg"]
        raise StageError(
            f"{path} cannot be read ({problem}): `make bench` writes it anew"
        ) from None


def with_graphs(metrics: Metrics, measured: Latencies, tasks: Sequence[str]) -> dict[str, Any]:
    """`metrics`, and beside them the scores of graphs made of the bases evaluated there."""
    evaluated = dict(metrics.get("evaluate", {}))
    for task, variant, entry in measured.entries(tasks):
        if entry.scores is not None and entry.current(metrics, task, variant):
            evaluated.setdefault(f"{task}-{variant}", entry.scores)
    return {**metrics, "evaluate": evaluated}


def speeds(
    measured: Latencies, metrics: Metrics, tasks: Sequence[str]
) -> dict[tuple[str, str], dict[str, Any]]:
    """Each entry by task and variant, with whether it is `current`."""
    return {
        (task, variant): entry.model_dump(exclude_none=True)
        | {"current": entry.current(metrics, task, variant)}
        for task, variant, entry in measured.entries(tasks)
    }
