"""The interface of a task: row type, parser of raw records, model, metrics and baselines.

A task is one file in `tandem/tasks` with a class named `Task`. Data stages import the class, so its
file must not import torch, which loads slowly. To avoid slow imports, the class refers to some
modules only by name: `family` names a module in `tandem.modeling.families`; `metrics` and
`baselines` list names of modules in `tandem.metrics` and `tandem.baselines`.
"""

import dataclasses
import functools
import json
import re
import typing
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from tandem.core import registry
from tandem.core.errors import BadRow
from tandem.core.rows import Row

R = TypeVar("R", bound=Row)

PLACEHOLDER = re.compile(r"\{[^{}\s]*\}")


class BaseTask(ABC):
    """Base class of tasks. Subclasses are named `Task`, so that `load` finds them."""

    name: ClassVar[str]
    row: ClassVar[type[Row]]
    family: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    """Names of metrics: the first is the main metric; `dvc metrics show` prints the first two."""
    baselines: ClassVar[tuple[str, ...]]
    text_fields: ClassVar[tuple[str, ...]] = ("text",)
    labels: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def parse(self, raw: Mapping[str, Any]) -> Row:
        """Convert a raw record to a row.

        Raises:
            BadRow: a column is missing, empty or of the wrong type.
        """

    def stratum(self, row: Row) -> str:
        """The stratum of a row; the split preserves the proportions of the strata."""
        return row.domain

    def protected(self, row: Row) -> list[tuple[int, int]]:
        """Sorted, disjoint spans of `row.text` that cleaning and augmentation must not change."""
        return [match.span() for match in PLACEHOLDER.finditer(row.text)]


def load(name: str, where: str = "") -> BaseTask:
    """The task `name`.

    Raises:
        UnknownName: there is no such task; the message suggests the closest name.
    """
    return cast(BaseTask, registry.load("tasks", name, where).Task())


def rating_polarity(ratings: Sequence[int]) -> str:
    """`positive` if the mean rating is at least 0.5, `negative` if at most -0.5, else `neutral`.

    A row without ratings is `unrated`. Tasks that share a source with ratings are stratified by
    the polarity of the mean rating, so that these tasks have the same splits although the fields
    of their rows differ.
    """
    if not ratings:
        return "unrated"
    mean = sum(ratings) / len(ratings)
    return "positive" if mean >= 0.5 else "negative" if mean <= -0.5 else "neutral"


def parse_row(row: type[R], raw: Mapping[str, Any]) -> R:
    """Convert a raw record to a row of type `row`; columns are matched with fields by name.

    Columns that match no field are ignored. The column of a field with a default may be missing or
    empty. For a tuple field, a string is parsed as JSON, because a CSV cell cannot contain a list.

    Raises:
        BadRow: a column is missing, empty or of the wrong type; the `reason` of the error is
            missing_NAME, empty_NAME or ill_typed_NAME.
    """
    values = {}
    for field in dataclasses.fields(row):
        value = raw.get(field.name)
        if isinstance(value, str) and not value.strip():
            if field.default is dataclasses.MISSING:
                raise BadRow(f"empty_{field.name}")
            value = None
        if isinstance(value, str) and typing.get_origin(field.type) is tuple:
            value = _from_json(field.name, value)
        if value is not None:
            values[field.name] = value
    try:
        return cast(R, _adapter(cast(Any, row)).validate_python(values))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name, *nested = problem["loc"]
        if problem["type"] == "missing" and not nested:
            raise BadRow(f"missing_{name}") from None
        raise BadRow(f"ill_typed_{name}", problem["msg"]) from None


def _from_json(name: str, value: str) -> Any:
    """The value of the column `name`, parsed as JSON."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise BadRow(f"ill_typed_{name}", f"{value!r:.60} is not JSON") from None


@functools.cache
def _adapter(row: Any) -> TypeAdapter[Any]:
    """The validator for rows of a given type."""
    return TypeAdapter(row)
