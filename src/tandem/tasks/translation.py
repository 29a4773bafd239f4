"""Translation of a text from one language to another, with all `{placeholders}` kept.

An example row, from Home Assistant's interface texts (`tandem.corpora.home_assistant_strings`):

    TranslationRow(
        id="zwave_js/config/error/invalid_ws_url", group="zwave_js", domain="zwave_js",
        text="Invalid websocket URL", target="Ungültige Websocket-URL",
    )

Rows need a `text` (the source text) and a `target`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tandem.core.rows import Row
from tandem.core.task import PLACEHOLDER, BaseTask, parse_row

LENGTH_BOUNDS = (3, 12)
"""Upper bounds, in words, of the length classes used for stratification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationRow(Row):
    """A text and its translation."""

    target: str


class Task(BaseTask):
    """Sequence-to-sequence translation."""

    name: ClassVar[str] = "translation"
    row: ClassVar[type[Row]] = TranslationRow
    family: ClassVar[str] = "seq2seq"
    metrics: ClassVar[tuple[str, ...]] = ("bleu", "chrf", "placeholders_kept")
    baselines: ClassVar[tuple[str, ...]] = ("copy_source", "translation_memory", "word_lexicon")
    text_fields: ClassVar[tuple[str, ...]] = ("text", "target")

    def parse(self, raw: Mapping[str, Any]) -> TranslationRow:
        """Parse a raw record."""
        return parse_row(TranslationRow, raw)

    def stratum(self, row: Row) -> str:
        """Return the length class, and whether the text has placeholders.

        The stratum does not include the domain, because each domain is a single, undivided group.
        """
        length_class = sum(len(row.text.split()) > upper for upper in LENGTH_BOUNDS)
        return f"{length_class}/{'placeholders' if PLACEHOLDER.search(row.text) else 'plain'}"
