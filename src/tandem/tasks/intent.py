"""Intent: classify a smart-home request, and tag its slots as spans.

An example row, from Home Assistant's grammars (`tandem.corpora.home_assistant_intents`):

    IntentRow(
        id="en/HassTurnOn/1/5/test/1", group="en/HassTurnOn/1/5", domain="homeassistant",
        text="switch the wine cellar lights on", label="HassTurnOn",
        spans=(Span(start=11, end=22, label="area"),), holdout="test",
    )

Rows need a `text` and a `label`. `spans` is a list of {start, end, label}, where `start` and `end`
are character offsets.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from tandem.core.errors import BadRow
from tandem.core.rows import Row, Span
from tandem.core.task import BaseTask, parse_row


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRow(Row):
    """A request, its intent, and its slots as sorted, disjoint, non-empty spans."""

    label: str
    spans: tuple[Span, ...] = ()


class Task(BaseTask):
    """Classification of a text and tagging of its words by one model."""

    name: ClassVar[str] = "intent"
    row: ClassVar[type[Row]] = IntentRow
    family: ClassVar[str] = "tagging"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "span_f1")
    baselines: ClassVar[tuple[str, ...]] = ("majority", "tfidf")

    def parse(self, raw: Mapping[str, Any]) -> IntentRow:
        """Parse a raw record; its spans must be inside the text, sorted and disjoint."""
        row = parse_row(IntentRow, raw)
        edges = list(itertools.chain.from_iterable((s.start, s.end) for s in row.spans))
        if any(span.start >= span.end or not span.label for span in row.spans):
            raise BadRow("empty_span")
        if edges != sorted(edges) or (edges and not 0 <= edges[0] < edges[-1] <= len(row.text)):
            raise BadRow(
                "misplaced_span",
                f"span boundaries {edges} in a text of {len(row.text)} characters",
            )
        return row

    def stratum(self, row: Row) -> str:
        """Return the intent, so that every intent with enough groups is in all splits."""
        return cast(IntentRow, row).label

    def protected(self, row: Row) -> list[tuple[int, int]]:
        """Return the spans."""
        return [(span.start, span.end) for span in cast(IntentRow, row).spans]
