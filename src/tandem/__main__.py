"""The command `tandem`, and `python -m tandem`.

Nothing is imported before `main` runs, so that Ctrl-C prints one line from the start.
"""

import sys


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        from tandem.engines import torch_server

        return torch_server.entry_point()
    except KeyboardInterrupt:  # during imports; `cli.main` handles later ones
        from tandem.core.errors import INTERRUPTED

        print(INTERRUPTED, file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
