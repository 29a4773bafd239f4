"""Clean a task's raw rows: repair their texts, mask personal data, drop what is unfit.

Reads   data/raw/TASK/rows.parquet
Writes  data/clean/TASK/rows.parquet     kept rows, in their order
        data/clean/TASK/dropped.parquet  the others, each with the reason
        reports/metrics/clean/TASK.json  counts by reason and domain, of repairs and of masks

    $ tandem clean sentiment

Texts change around `{placeholders}` and spans, which stay as they are. The filters run in the
order of params, each on the rows that those before it left; `tandem.text.filters` says how to
write one.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator

from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.errors import DataError
from tandem.core.params import Strict, plugin
from tandem.core.rows import Dropped, Row, read_rows, write_rows
from tandem.core.task import BaseTask
from tandem.text import mask
from tandem.text.protected import rewrite
from tandem.text.repair import REPAIRS


class Mask(Strict):
    """What personal data is masked."""

    kinds: list[mask.Kind] = Field(description="in any order")
    regions: list[str] = Field(description="regions (ISO 3166-1) whose national numbers count")

    @field_validator("regions")
    @classmethod
    def _known(cls, regions: list[str]) -> list[str]:
        if regions:
            from phonenumbers import SUPPORTED_REGIONS

            unknown = sorted(set(regions) - set(SUPPORTED_REGIONS))
            if unknown:
                raise ValueError(f"unknown regions: {', '.join(unknown)}")
        return regions


class Params(Strict):
    """The part `clean` of a task's section."""

    repair: list[Literal["entities", "markup", "characters", "spaces"]] = Field(
        description="done in the order of tandem.text.repair, whatever the order here"
    )
    mask: Mask
    filters: list[plugin("text.filters")]  # type: ignore[valid-type]


def main(task: str) -> None:
    """Clean the rows of `task`."""
    settings = params.load(Params, task, "clean")
    spec = tasks.load(task)
    raw = read_rows(paths.raw(task) / paths.ROWS, spec.row)
    counts: Counter[str] = Counter()
    tidy = [tidied(row, spec, settings, counts) for row in raw]
    kept, dropped = filtered(tidy, spec, settings.filters)
    if not kept:
        worst = Counter(item.reason for item in dropped).most_common(1)
        why = f", most as {worst[0][0]}: relax {task}.clean.filters" if worst else ": fetch some"
        raise DataError(f"no row of {paths.raw(task) / paths.ROWS} is left after cleaning{why}")
    with io.writing(paths.clean(task), paths.metrics("clean", task)) as (folder, metrics):
        write_rows(folder / paths.ROWS, kept, spec.row)
        write_rows(folder / paths.DROPPED, dropped, Dropped)
        io.write_json(metrics, summary(raw, kept, dropped, counts))


def tidied(row: Row, task: BaseTask, settings: Params, counts: Counter[str]) -> Row:
    """`row` with its text fields repaired and masked; what was done is added to `counts`."""

    def mend(text: str) -> str:
        for name, repair in REPAIRS.items():
            if name in settings.repair:
                before, text = text, repair(text)
                counts[f"repaired/{name}"] += before != text
        return text

    def hush(text: str) -> str:
        text, found = mask.masked(text, settings.mask.kinds, settings.mask.regions)
        counts.update(f"masked/{kind}" for kind in found)
        return text

    for field in task.text_fields:
        row = rewrite(row, task, lambda text: hush(mend(text)), field)
    return row


def filtered(
    rows: Sequence[Row], task: BaseTask, filters: Sequence[Any]
) -> tuple[list[Row], list[Dropped]]:
    """The rows that every filter keeps, in their order, and the others by filter, then order."""
    left, dropped = list(rows), list[Dropped]()
    for settings in filters:
        reasons = list(settings.module.judge(left, task, settings))
        judged = list(zip(left, reasons, strict=True))
        dropped += [Dropped(id=row.id, reason=why, text=row.text) for row, why in judged if why]
        left = [row for row, why in judged if not why]
    return left, dropped


def summary(
    raw: Sequence[Row], kept: Sequence[Row], dropped: Sequence[Dropped], counts: Counter[str]
) -> dict[str, Any]:
    """The metric: rows in, kept and dropped by reason, in all and by domain; repairs, masks."""
    domain = {row.id: row.domain for row in raw}
    by_domain: dict[str, Counter[str]] = {name: Counter() for name in sorted(set(domain.values()))}
    for row in kept:
        by_domain[row.domain]["kept"] += 1
    for item in dropped:
        by_domain[domain[item.id]][item.reason] += 1
    return {
        "rows": len(raw),
        "kept": len(kept),
        "dropped": Counter(item.reason for item in dropped),
        "domains": by_domain,
        "repaired": {name: counts[f"repaired/{name}"] for name in REPAIRS},
        "masked": {name: counts[f"masked/{name}"] for name in mask.FINDERS},
    }
