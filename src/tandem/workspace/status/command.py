"""The command `tandem status`."""

import json
import shutil

from tandem.workspace.status.examination import examine
from tandem.workspace.status.report import lines

WIDTHS = (80, 120)
"""Minimum and maximum width of the output, in columns."""


def main(as_json: bool) -> int:
    """Print the status of the project in this folder; return 0 if there is nothing to do, else 1.

    Raises:
        StageError: dvc.yaml, params.yaml or a source file cannot be read.
    """
    status = examine()
    if as_json:
        print(json.dumps(status.as_json(), ensure_ascii=False, indent=2, default=str))
    else:
        low, high = WIDTHS
        width = min(max(shutil.get_terminal_size((high, 0)).columns, low), high)
        print("\n".join(lines(status, width)))
    return status.exit_code
