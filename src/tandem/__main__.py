"""The command `tandem`, and `python -m tandem`.

All imports are inside `main`, so that even an early Ctrl-C prints one line and no traceback.
"""

import sys


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        from tandem.engines import torch_server

        code = torch_server.run_in_child(sys.argv[1:])
        if code is not None:
            return code
        from tandem import cli

        return cli.main()
    except KeyboardInterrupt:  # raised by an import; `cli.main` handles later interrupts
        from tandem.core.errors import INTERRUPTED

        print(INTERRUPTED, file=sys.stderr)
        return 130


def serve() -> None:
    """Run the server that forks a child for each stage that needs torch."""
    from tandem.engines import torch_server

    torch_server.serve(run_as_child)


def run_as_child(arguments: list[str]) -> int:
    """Run the command line in a child of the server; the child imports the current code."""
    from tandem import cli

    return cli.main(arguments, in_child=True)


if __name__ == "__main__":
    sys.exit(main())
