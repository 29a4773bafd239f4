"""Count the rows of a source, and describe the counts in one line."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tandem.core import wording
from tandem.core.rows import Dropped, Row
from tandem.sources.common.parsing import by_reason, reasons_in_words

MAX_NAMED = 5
"""Maximum number of labels that `in_words` lists; if there are more, it gives only their number."""
MAX_LISTED = 50
"""Maximum number of domains or labels that `count_rows` lists; if there are more, it gives only
their number."""


def count_rows(rows: Sequence[Row], unreadable: Sequence[Dropped]) -> dict[str, Any]:
    """Count the rows, groups, domains and labels, and the unreadable records by reason."""
    domains = Counter(row.domain for row in rows)
    labels = Counter(label for row in rows if (label := getattr(row, "label", None)))
    return {
        "rows": len(rows),
        "groups": len({row.group for row in rows}),
        "domains": len(domains),
        "labels": len(labels),
        "unreadable": len(unreadable),
        "unreadable_by_reason": by_reason(unreadable),
        "rows_by_domain": dict(domains) if len(domains) <= MAX_LISTED else {},
        "rows_by_label": dict(labels) if len(labels) <= MAX_LISTED else {},
    }


def in_words(counts: Mapping[str, Any], details: Mapping[str, str]) -> str:
    """Describe the number of rows, the unreadable records by reason, and the share of each label.

    Args:
        counts: The result of `count_rows`.
        details: Reason → its details, as returned by `parse_records`.
    """
    labels = f", {wording.counted(counts['labels'], 'label')}" if counts["labels"] else ""
    if 0 < counts["labels"] <= MAX_NAMED:
        labels += f": {wording.percentages(dict(sorted(counts['rows_by_label'].items())))}"
    rows = wording.counted(counts["rows"], "row")
    reasons = reasons_in_words(counts["unreadable_by_reason"], details)
    unreadable = f"{counts['unreadable']:,} unreadable" + (f" ({reasons})" if reasons else "")
    return f"{rows} read, {unreadable}{labels}"
