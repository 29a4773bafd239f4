"""The data card of a task's rows: YAML front matter for the Hugging Face Hub, then Markdown."""

from collections.abc import Mapping
from typing import Any

from tandem.core.raw_records import SourceInfo
from tandem.core.task import BaseTask

# The Hugging Face Hub's names for task categories: https://huggingface.co/docs/hub/datasets-cards
CATEGORIES = {
    "classification": "text-classification",
    "tagging": "token-classification",
    "seq2seq": "translation",
    "causal": "text-generation",
}
"""Model family → task category of the Hugging Face Hub."""
ORDER = ["pretty_name", "license", "language", "size_categories", "task_categories"]
SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


def card(task: BaseTask, origin: SourceInfo, counts: Mapping[str, Any]) -> str:
    """Return the text of the data card; `counts` is the result of `count_rows`."""
    about = origin.about
    pins = [f"- {name}: {value}" for name, value in origin.pins.items()]
    parts = [
        f"---\n{front_matter(task, origin, counts)}\n---",
        f"# {about.title or f'Rows of the task {task.name}'}",
        about.description,
        "## Source\n\n" + "\n".join([*pins, f"- license: {about.license}"]),
        f"## Citation\n\n{about.citation or 'None known.'}",
        f"## Rows\n\n{counts['rows']} rows in {counts['groups']} groups and {counts['domains']} "
        "domain(s); a group is never divided between splits.",
        table("Domain", counts["rows_by_domain"]),
        table("Label", counts["rows_by_label"]),
        f"{counts['unreadable']} rows could not be read; they are in unreadable.parquet.",
        table("Reason", counts["unreadable_by_reason"]),
        "## Known limits\n\n"
        + "\n".join(f"- {limit}" for limit in about.limits or ["None known."]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def front_matter(task: BaseTask, origin: SourceInfo, counts: Mapping[str, Any]) -> str:
    """Return the metadata of the data card, as YAML."""
    from huggingface_hub import DatasetCardData

    size = next((name for limit, name in SIZES if counts["rows"] < limit), "n>10M")
    metadata = DatasetCardData(
        pretty_name=origin.about.title or task.name,
        license=origin.about.license,
        language=list(origin.about.languages) or None,
        size_categories=[size],
        task_categories=[CATEGORIES[task.family]] if task.family in CATEGORIES else None,
    )
    return str(metadata.to_yaml(original_order=ORDER))


def table(heading: str, counts: Mapping[str, int]) -> str:
    r"""Return a Markdown table of counts, the largest first; an empty string if there are none.

    >>> print(table("Domain", {"a | b": 1, "two\nlines": 2}))
    | Domain | Rows |
    |---|---:|
    | two lines | 2 |
    | a / b | 1 |
    """
    if not counts:
        return ""
    largest_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"| {' '.join(key.replace('|', '/').split())} | {n} |" for key, n in largest_first]
    return "\n".join([f"| {heading} | Rows |", "|---|---:|", *lines])
