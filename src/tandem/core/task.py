"""What a task is: its row, how a raw record is read, and which model, metrics and baselines.

A task is one file in `tandem/tasks` with a class named `Task`. The class is light: no torch,
since the data stages import it too. What is heavy stands behind names: `family` is a module in
`tandem.modeling`, `metrics` and `baselines` are modules in those folders.
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
    """One task; subclasses are named `Task`, so that `load` finds them."""

    name: ClassVar[str]
    row: ClassVar[type[Row]]
    family: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    """By importance: the first is the main one; `dvc metrics show` prints the first two."""
    baselines: ClassVar[tuple[str, ...]]
    text_fields: ClassVar[tuple[str, ...]] = ("text",)
    labels: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def parse(self, raw: Mapping[str, Any]) -> Row:
        """One raw record as a row.

        Raises:
            BadRow: a column is missing, empty or ill-typed; its reason is counted.
        """

    def stratum(self, row: Row) -> str:
        """What the split keeps in proportion, beside the groups."""
        return row.domain

    def protected(self, row: Row) -> list[tuple[int, int]]:
        """Pieces of `row.text` that must survive cleaning and augmentation, sorted, disjoint."""
        return [match.span() for match in PLACEHOLDER.finditer(row.text)]


def load(name: str, where: str = "") -> BaseTask:
    """The task of this name.

    Raises:
        UnknownName: there is none; the nearest is offered.
    """
    return cast(BaseTask, registry.load("tasks", name, where).Task())


def rating_polarity(ratings: Sequence[int]) -> str:
    """`negative`, `neutral` or `positive` by the mean rating, at ±0.5; `unrated` without ratings.

    Tasks of one rated source stratify by it, so that they share their split whatever their rows
    hold beside the ratings.
    """
    if not ratings:
        return "unrated"
    mean = sum(ratings) / len(ratings)
    return "positive" if mean >= 0.5 else "negative" if mean <= -0.5 else "neutral"


def parse_row(kind: type[R], raw: Mapping[str, Any]) -> R:
    """A raw record as a row of type `kind`, each column checked against the row's field.

    Columns that the row does not know are left out; a field with a default may be missing or
    empty. Where the row wants a tuple, a string is read as JSON, for a CSV cell holds no list.

    Raises:
        BadRow: missing_NAME, empty_NAME or ill_typed_NAME.
    """
    values = {}
    for field in dataclasses.fields(kind):
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
        return cast(R, _adapter(cast(Any, kind)).validate_python(values))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name, *below = problem["loc"]
        trouble = "missing" if problem["type"] == "missing" and not below else "ill_typed"
        raise BadRow(f"{trouble}_{name}", problem["msg"]) from None


def _from_json(name: str, value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise BadRow(f"ill_typed_{name}", f"{value!r:.60} is not JSON") from None


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
