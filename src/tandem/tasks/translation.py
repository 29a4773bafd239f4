"""Translation: a source text into a target text, with every `{placeholder}` kept.

An example row, from Home Assistant's interface texts (`tandem.corpora.home_assistant_strings`):

    TranslationRow(
        id="zwave_js/config/error/invalid_ws_url", group="zwave_js", domain="zwave_js",
        text="Invalid websocket URL", target="Ungültige Websocket-URL",
    )

A user's own rows need `text` (the source side) and `target`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tandem.core.rows import Row
from tandem.core.task import PLACEHOLDER, BaseTask, parse_row

# Upper ends of the bands of length, in words, that every split has in the same proportion.
BANDS = (3, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationRow(Row):
    """A text and its translation."""

    target: str


class Task(BaseTask):
    """Sequence to sequence, from the source language to the target language."""

    name: ClassVar[str] = "translation"
    row: ClassVar[type[Row]] = TranslationRow
    family: ClassVar[str] = "seq2seq"
    metrics: ClassVar[tuple[str, ...]] = ("bleu", "chrf", "placeholders_kept")
    baselines: ClassVar[tuple[str, ...]] = ("copy_source", "translation_memory", "word_lexicon")
    text_fields: ClassVar[tuple[str, ...]] = ("text", "target")

    def parse(self, raw: Mapping[str, Any]) -> TranslationRow:
        """One raw record as a row."""
        return parse_row(TranslationRow, raw)

    def stratum(self, row: Row) -> str:
        """Band of length, and whether the text holds placeholders.

        The domain is the component, which is the group too: it cannot be kept in proportion.
        """
        band = sum(len(row.text.split()) > upper for upper in BANDS)
        return f"{band}/{'placeholders' if PLACEHOLDER.search(row.text) else 'plain'}"
