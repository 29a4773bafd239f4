"""The Git merge driver for dvc.lock; `tandem setup-git` installs it.

    python -m tandem.sharing.merge.driver BASE OURS THEIRS PATH

BASE, OURS and THEIRS are temporary files in which Git passes the three versions; PATH is the path
of the merged file in the repository. Git reads the result from OURS. If the versions cannot be
merged, OURS is left as it is and the exit code is 1: Git then reports a conflict.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tandem.core import io
from tandem.core.errors import TandemError, format_error
from tandem.sharing.merge import versions


def main(arguments: Sequence[str]) -> int:
    """Write the result of the merge to OURS; return the exit code."""
    *files, path = arguments
    base, ours, theirs = (Path(file).read_bytes() for file in files)
    try:
        merged = versions.merge_contents(path, base, ours, theirs)
    except TandemError as error:
        print(format_error(error), file=sys.stderr)
        return 1
    io.write_text(Path(files[1]), merged.lock.text())
    print(f"tandem: {versions.summary(path, merged)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
