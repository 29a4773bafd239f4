"""Identifiers and license names that several export formats use."""

import json
import uuid
from typing import Any

from tandem import __version__
from tandem.core.provenance import RunRecord

TANDEM = f"urn:tandem:{__version__}"
"""The URN of the producer of an export: this version of Tandem."""
SPDX = {
    name.lower(): name
    for name in (
        "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-2.0", "CC-BY-3.0", "CC-BY-4.0",
        "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0",
        "CC0-1.0", "GPL-2.0-only", "GPL-3.0-only", "ISC", "LGPL-3.0-only", "MIT", "MPL-2.0",
        "ODbL-1.0", "PDDL-1.0", "Unlicense",
    )
}  # fmt: skip
"""License name on the Hugging Face Hub → SPDX id."""
UNKNOWN = ("", "unknown", "other")


def stable_uuid(*parts: Any) -> str:
    """A UUID computed from `parts` (RFC 9562, version 5)."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "\0".join([TANDEM, *map(canonical, parts)])))


def run_id(record: RunRecord) -> str:
    """The UUID of a run, computed from its record."""
    return stable_uuid(record.model_dump(exclude_none=True))


def canonical(value: Any) -> str:
    """The value as JSON on one line. Equal values give the same text."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def license_url(name: str) -> str:
    """The URL of a license's text at SPDX, or the license's name if `SPDX` does not list it.

    >>> license_url("apache-2.0")
    'https://spdx.org/licenses/Apache-2.0'
    """
    return f"https://spdx.org/licenses/{SPDX[name.lower()]}" if name.lower() in SPDX else name
