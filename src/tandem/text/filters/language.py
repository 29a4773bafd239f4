"""Drop rows with a text in another language than expected, as lingua judges."""

from collections.abc import Iterator, Sequence

from pydantic import Field, model_validator

from tandem.core.errors import ParamsError
from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.text.filters import FilterParams
from tandem.text.protected import SENTINEL, mask_pieces, protected


class Params(FilterParams):
    """Which language each field is in, and when it is judged at all."""

    expected: dict[str, str] = Field(min_length=1, description="text field to ISO 639-1 code")
    among: list[str] = Field(
        default=["de", "en", "es", "fr"],
        description="languages to distinguish (ISO 639-1); few are faster and more accurate",
    )
    min_chars: int = Field(default=40, ge=0, description="shorter texts are not checked")
    min_confidence: float = Field(
        default=0.15, ge=0, le=1, description="smallest probability of the expected language"
    )

    @model_validator(mode="after")
    def _known(self) -> "Params":
        from lingua import IsoCode639_1

        for code in [*self.among, *self.expected.values()]:
            try:
                IsoCode639_1.from_str(code)
            except ValueError:
                raise ValueError(f"{code!r} is no language that lingua knows") from None
        if len({*self.among, *self.expected.values()}) < 2:
            raise ValueError("needs at least two languages to tell apart")
        return self


def judge(rows: Sequence[Row], task: BaseTask, params: Params) -> Iterator[str | None]:
    """`not_en`, say, where a long enough text is too likely not English, else None.

    Raises:
        ParamsError: `expected` names a field that the task's rows do not have.
    """
    for field in params.expected:
        if field not in task.text_fields:
            known = ", ".join(task.text_fields)
            raise ParamsError(f"language: {task.name} has no text field {field!r}, only {known}")
    from lingua import IsoCode639_1, Language, LanguageDetectorBuilder

    codes = sorted({*params.among, *params.expected.values()})
    language = {code: Language.from_iso_code_639_1(IsoCode639_1.from_str(code)) for code in codes}
    detector = LanguageDetectorBuilder.from_languages(*language.values()).build()

    def strange(text: str, code: str) -> bool:
        if len(text) < params.min_chars:
            return False
        likely: float = detector.compute_language_confidence(text, language[code])
        return likely < params.min_confidence

    for row in rows:
        wrong = (
            f"not_{code}"
            for field, code in params.expected.items()
            if strange(_open(row, field, task), code)
        )
        yield next(wrong, None)


def _open(row: Row, field: str, task: BaseTask) -> str:
    """The field's text without its frozen pieces, which belong to no language."""
    text = getattr(row, field)
    return SENTINEL.sub("", mask_pieces(text, protected(row, task, field)))
