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


def field(raw: Mapping[str, Any], name: str, kind: type[Any] = str) -> Any:
    """The value of a raw record's column `name`, which must be a `kind` and not empty.

    Raises:
        BadRow: missing_NAME, empty_NAME or ill_typed_NAME.
    """
    if raw.get(name) is None:
        raise BadRow(f"missing_{name}", f"columns: {', '.join(map(str, raw))}")
    value = raw[name]
    if not isinstance(value, kind):
        raise BadRow(f"ill_typed_{name}", f"{value!r:.60} is not {kind.__name__}")
    if value in ("", [], ()):
        raise BadRow(f"empty_{name}")
    return value
