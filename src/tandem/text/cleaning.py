"""Clean rows: repair their texts, mask personal data, and apply filters."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator

from tandem.core.progress import track
from tandem.core.rows import Dropped, Row
from tandem.core.schema import StrictModel
from tandem.core.task import BaseTask
from tandem.text import mask
from tandem.text.filters import AnyFilter, FilterParams
from tandem.text.protected import rewrite
from tandem.text.repair import REPAIRS


class MaskParams(StrictModel):
    """The personal data to mask."""

    kinds: list[mask.Kind] = Field(default=["email", "card", "phone"])
    """Kinds of personal data to mask, in any order."""
    regions: list[str] = Field(default=[])
    """Regions (ISO 3166-1) whose national phone numbers are masked."""

    @field_validator("regions")
    @classmethod
    def _check_regions(cls, regions: list[str]) -> list[str]:
        if regions:
            from phonenumbers import SUPPORTED_REGIONS

            unknown = sorted(set(regions) - set(SUPPORTED_REGIONS))
            if unknown:
                raise ValueError(f"unknown regions: {', '.join(unknown)}")
        return regions


class CleanParams(StrictModel):
    """The `clean` section of a task."""

    repair: list[Literal["entities", "markup", "characters", "spaces"]] = Field(
        default=["entities", "markup", "characters", "spaces"]
    )
    """Repairs to apply; their order is fixed by `tandem.text.repair`."""
    mask: MaskParams = MaskParams()
    filters: list[AnyFilter]
    """Filters, applied in the order in which they are listed."""


def clean_row(row: Row, task: BaseTask, params: CleanParams, counts: Counter[str]) -> Row:
    """Repair and mask the text fields of `row`.

    The changes are counted in `counts`, under `repaired/NAME` and `masked/KIND`.
    """

    def repair(text: str) -> str:
        for name, function in REPAIRS.items():
            if name in params.repair:
                before, text = text, function(text)
                counts[f"repaired/{name}"] += before != text
        return text

    def mask_text(text: str) -> str:
        text, masks = mask.mask_personal_data(text, params.mask.kinds, params.mask.regions)
        counts.update(f"masked/{kind}" for kind in masks)
        return text

    for field in task.text_fields:
        row = rewrite(row, task, lambda text: mask_text(repair(text)), field)
    return row


def apply_filters(
    rows: Sequence[Row], task: BaseTask, filters: Sequence[FilterParams]
) -> tuple[list[Row], list[Dropped]]:
    """Apply filters, each to the rows that the filters before it kept.

    Returns:
        The rows that every filter kept, in order, and the dropped rows, grouped by filter.
    """
    kept, dropped = list(rows), list[Dropped]()
    for params in filters:
        reasons_of = params.plugin.drop_reasons(kept, task, params)
        reasons = list(track(reasons_of, f"filter {params.kind}", len(kept)))
        pairs = list(zip(kept, reasons, strict=True))
        dropped += [
            Dropped(id=row.id, reason=reason, text=row.text) for row, reason in pairs if reason
        ]
        kept = [row for row, reason in pairs if not reason]
    return kept, dropped


def summarize(
    raw: Sequence[Row], kept: Sequence[Row], dropped: Sequence[Dropped], counts: Counter[str]
) -> dict[str, Any]:
    """Count the kept rows, the dropped rows by reason, the repairs and the masked strings.

    Rows are counted in total and by domain.
    """
    domain_of = {row.id: row.domain for row in raw}
    domains = sorted(set(domain_of.values()))
    by_domain: dict[str, Counter[str]] = {name: Counter() for name in domains}
    for row in kept:
        by_domain[row.domain]["kept"] += 1
    for item in dropped:
        by_domain[domain_of[item.id]][item.reason] += 1
    return {
        "rows": len(raw),
        "kept": len(kept),
        "dropped": Counter(item.reason for item in dropped),
        "domains": by_domain,
        "repaired": {name: counts[f"repaired/{name}"] for name in REPAIRS},
        "masked": {name: counts[f"masked/{name}"] for name in mask.FINDERS},
    }
