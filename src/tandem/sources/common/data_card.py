"""A task's data card, as the Hugging Face hub reads it: YAML ahead, then Markdown."""

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from tandem.core.task import BaseTask
from tandem.sources import SourceInfo

# The hub's names: https://huggingface.co/docs/hub/datasets-cards
CATEGORIES = {
    "classification": "text-classification",
    "tagging": "token-classification",
    "seq2seq": "translation",
    "causal": "text-generation",
}
SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


def card(work: BaseTask, origin: SourceInfo, counts: Mapping[str, Any]) -> str:
    """The card's text; `counts` are the metrics of the fetch stage."""
    about = origin.about
    title = about.title or f"Rows of the task {work.name}"
    pins = [f"- {name}: {value}" for name, value in origin.pins.items()]
    unreadable = counts["unreadable_by_reason"]
    parts = [
        f"---\n{front_matter(work, origin, counts)}---",
        f"# {title}",
        about.description,
        "## Source\n\n" + "\n".join([*pins, f"- license: {about.license}"]),
        f"## Citation\n\n{about.citation or 'None is known.'}",
        f"## Rows\n\n{counts['rows']} rows in {counts['groups']} groups and {counts['domains']} "
        "domain(s); a group never crosses a split.",
        table("Domain", counts["rows_by_domain"]),
        table("Label", counts["rows_by_label"]),
        f"{counts['unreadable']} rows could not be read; they are in unreadable.parquet.",
        table("Reason", unreadable),
        "## Known limits\n\n" + "\n".join(f"- {limit}" for limit in about.limits or ["None told."]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def front_matter(work: BaseTask, origin: SourceInfo, counts: Mapping[str, Any]) -> str:
    """The card's metadata, as YAML."""
    size = next((name for upper, name in SIZES if counts["rows"] < upper), "n>10M")
    meta = {
        "pretty_name": origin.about.title or work.name,
        "license": origin.about.license,
        "language": list(origin.about.languages),
        "size_categories": [size],
        "task_categories": [CATEGORIES[work.family]] if work.family in CATEGORIES else [],
    }
    stream = io.StringIO()
    yaml = YAML()
    yaml.dump({key: value for key, value in meta.items() if value}, stream)
    return stream.getvalue()


def table(head: str, rows: Mapping[str, int]) -> str:
    r"""A Markdown table of counts, the largest first; nothing if there are none.

    >>> print(table("Domain", {"a | b": 1, "two\nlines": 2}))
    | Domain | Rows |
    |---|---:|
    | two lines | 2 |
    | a / b | 1 |
    """
    if not rows:
        return ""
    ordered = sorted(rows.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"| {' '.join(key.replace('|', '/').split())} | {n} |" for key, n in ordered]
    return "\n".join([f"| {head} | Rows |", "|---|---:|", *lines])
