"""Latencies that benchmarks/latency.py measured, matched with the models that were evaluated.

No stage writes benchmarks/latency.json, so this module checks the schema of the file.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tandem.core.errors import StageError
from tandem.core.schema import StrictModel
from tandem.report.scores import EVALUATE, Metrics, of


class Scenario(StrictModel):
    """The speed of a variant on single texts or on batches."""

    milliseconds_per_row: float
    speedup: float
    """Speed-up over the fp32 base model: median of all rounds (minimum `low`, maximum `high`)."""
    low: float
    high: float


class Entry(StrictModel):
    """A measured variant: weights that a stage wrote, or an ONNX graph that the benchmark exported.

    The entry of an ONNX graph contains the graph's scores, because no stage evaluates the graph.
    """

    single: Scenario
    batch: Scenario
    weights_sha256: str | None = None
    """Digest of the weights, if a stage wrote them."""
    of_sha256: str | None = None
    """Digest of the weights of the base model from which the graph was exported."""
    scores: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.weights_sha256 is None) == (self.of_sha256 is None):
            raise ValueError("an entry needs either weights_sha256 or of_sha256")
        if (self.scores is None) != (self.of_sha256 is None):
            raise ValueError("of_sha256 and scores must be given together")
        return self

    def is_current(self, metrics: Metrics, task: str, variant: str) -> bool:
        """Whether the recorded digest is that of the weights that the stage `evaluate` scored."""
        evaluated = variant if self.of_sha256 is None else "base"
        digest = of(metrics, EVALUATE, f"{task}-{evaluated}").get("weights_sha256")
        return bool(digest == (self.of_sha256 or self.weights_sha256))


class Latencies(BaseModel):
    """The content of latency.json: the machine used, and an `Entry` for each task and variant."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, dict[str, Entry]] = Field(init=False)

    machine: dict[str, str | int | bool] = {}

    def entries(self, tasks: Sequence[str]) -> Iterator[tuple[str, str, Entry]]:
        """The task, the variant and the entry of each measured variant of `tasks`."""
        for task in tasks:
            for variant, entry in (self.__pydantic_extra__ or {}).get(task, {}).items():
                yield task, variant, entry


def load(path: Path) -> Latencies:
    """The content of the latency file; empty if the file is missing.

    Raises:
        StageError: the file is not in the format that benchmarks/latency.py writes.
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
            f"{path} cannot be read ({problem}): write it again with `make bench`"
        ) from None


def with_graphs(metrics: Metrics, latencies: Latencies, tasks: Sequence[str]) -> Metrics:
    """`metrics`, extended with the scores of ONNX graphs of the evaluated base models."""
    evaluated = dict(metrics.get(EVALUATE, {}))
    for task, variant, entry in latencies.entries(tasks):
        if entry.scores is not None and entry.is_current(metrics, task, variant):
            evaluated.setdefault(f"{task}-{variant}", entry.scores)
    return {**metrics, EVALUATE: evaluated}


def speeds(
    latencies: Latencies, metrics: Metrics, tasks: Sequence[str]
) -> dict[tuple[str, str], dict[str, Any]]:
    """(Task, variant) → the variant's `Entry` as a mapping, with an additional key `current`."""
    return {
        (task, variant): entry.model_dump(exclude_none=True)
        | {"current": entry.is_current(metrics, task, variant)}
        for task, variant, entry in latencies.entries(tasks)
    }
