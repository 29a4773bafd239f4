"""Drop rows with a text in a language other than the expected one, as detected by lingua."""

from collections.abc import Iterator, Sequence

from pydantic import Field, model_validator

from tandem.core.errors import ParamsError
from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.text.filters import FilterParams
from tandem.text.protected import SENTINEL, mask_pieces, protected


class Params(FilterParams):
    """The expected language of each text field, and which texts are checked."""

    expected: dict[str, str] = Field(min_length=1)
    """Text field → the ISO 639-1 code of its expected language."""
    among: list[str] = Field(default=["de", "en", "es", "fr"])
    """Languages to distinguish (ISO 639-1); with fewer languages, detection is faster and more
    accurate."""
    min_chars: int = Field(default=40, ge=0)
    """Texts with fewer characters than this are not checked."""
    min_confidence: float = Field(default=0.15, ge=0, le=1)
    """Minimum probability of the expected language."""

    @model_validator(mode="after")
    def _check_languages(self) -> "Params":
        from lingua import IsoCode639_1

        for code in [*self.among, *self.expected.values()]:
            try:
                IsoCode639_1.from_str(code)
            except ValueError:
                raise ValueError(f"{code!r} is not a language that lingua detects") from None
        if len({*self.among, *self.expected.values()}) < 2:
            raise ValueError("`among` and `expected` together must contain at least two languages")
        return self


def drop_reasons(rows: Sequence[Row], task: BaseTask, params: Params) -> Iterator[str | None]:
    """Yield `not_CODE` or None for each row, where CODE is the expected language.

    A row is dropped if lingua's confidence in the expected language is below `min_confidence`.

    Raises:
        ParamsError: `expected` names a field that is not a text field of the task.
    """
    for field in params.expected:
        if field not in task.text_fields:
            fields = ", ".join(task.text_fields)
            raise ParamsError(f"language: {task.name} has no text field {field!r}, only {fields}")
    from lingua import IsoCode639_1, Language, LanguageDetectorBuilder

    codes = sorted({*params.among, *params.expected.values()})
    languages = {code: Language.from_iso_code_639_1(IsoCode639_1.from_str(code)) for code in codes}
    detector = LanguageDetectorBuilder.from_languages(*languages.values()).build()

    def is_other_language(text: str, code: str) -> bool:
        if len(text) < params.min_chars:
            return False
        confidence: float = detector.compute_language_confidence(text, languages[code])
        return confidence < params.min_confidence

    for row in rows:
        reasons = (
            f"not_{code}"
            for field, code in params.expected.items()
            if is_other_language(_without_pieces(row, field, task), code)
        )
        yield next(reasons, None)


def _without_pieces(row: Row, field: str, task: BaseTask) -> str:
    """Return the field's text without placeholders and spans, which may be in any language."""
    text = getattr(row, field)
    return SENTINEL.sub("", mask_pieces(text, protected(row, task, field)))
