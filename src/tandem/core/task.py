"""What a task is: its row, how a raw record is read, and which model, metrics and baselines.

A task is one file in `tandem/tasks` with a class named `Task`. The class is light: no torch,
since the data stages import it too. What is heavy stands behind names: `family` is a module in
`tandem.modeling`, `metrics` and `baselines` are modules in those folders.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from tandem.core import registry
from tandem.core.errors import BadRow
from tandem.core.records import Row

PLACEHOLDER = re.compile(r"\{[^{}\s]*\}")


class BaseTask(ABC):
    """One task; subclasses are named `Task`, so that `load` finds them."""

    name: ClassVar[str]
    row: ClassVar[type[Row]]
    family: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
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


def row_of(kind: type[R], raw: Mapping[str, Any]) -> R:
    """A raw record as a row of type `kind`, each column checked against the row's field.

    Columns that the row does not know are left out; a field with a default may be missing. In a
    CSV file a list stands as JSON.

    Raises:
        BadRow: missing_NAME, empty_NAME or ill_typed_NAME.
    """
    values = {}
    for field in dataclasses.fields(kind):
        value = raw.get(field.name)
        if isinstance(value, str) and field.type is not str:
            value = _from_json(field.name, value) if value.strip() else None
        if isinstance(value, str) and not value.strip():
            raise BadRow(f"empty_{field.name}")
        if value is not None:
            values[field.name] = value
    try:
        return _adapter(kind).validate_python(values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name = problem["loc"][0]
        reason = "missing" if problem["type"] == "missing" else "ill_typed"
        raise BadRow(f"{reason}_{name}", problem["msg"]) from None


@functools.cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
