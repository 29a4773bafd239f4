"""A digest depends on code, but not on comments, docstrings, layout or the Python version."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tandem.core import source_digest as module
from tandem.core.source_digest import source_digest

SOURCE = '''"""A module."""

import os


class Shape:
    """A class."""

    sides: int = 4
    """How many."""

    def area(self, *, unit: str = "m", **rest: float | None) -> float:
        """Compute it."""
        match rest:
            case {"scale": scale, **others}:
                return 2.0 * scale
            case _:
                pass
        return [x async for x in y] if (n := len(unit)) else f"{n!r:>{3}} {os.name}"  # why
'''
DIGEST = "eec93e55702a492a58d1d7500f2aefbbb8032c996b29ac686d5a655194a69111"
SAME = {
    "comment": SOURCE.replace("# why", "# because"),
    "module docstring": SOURCE.replace('"""A module."""', '"""Another text."""'),
    "docstring gone": SOURCE.replace('        """Compute it."""\n', ""),
    "attribute docstring": SOURCE.replace("How many.", "Number of sides."),
    "layout": SOURCE.replace("2.0 * scale", "(\n 2.0\n * scale\n)").replace('"m"', "'m'"),
}
OTHER = {
    "number": SOURCE.replace("sides: int = 4", "sides: int = 5"),
    "type of a number": SOURCE.replace("2.0 * scale", "2 * scale"),
    "string": SOURCE.replace('"m"', '"cm"'),
    "name": SOURCE.replace("def area", "def size"),
    "default": SOURCE.replace("float | None", "float"),
    "statement": SOURCE.replace(
        "                pass\n", '                raise ValueError("x")\n'
    ),
    "import": SOURCE.replace("import os\n", "import os\nimport re\n"),
    "format": SOURCE.replace(":>{3}", ":<{3}"),
}


def digest(text: str, folder: Path, name: str = "module.py") -> str:
    (folder / name).write_text(text)
    return source_digest(folder / name)


@pytest.mark.parametrize("edit", SAME)
def test_text_that_is_not_executed_does_not_change_the_digest(edit: str, tmp_path: Path) -> None:
    assert SAME[edit] != SOURCE
    assert digest(SAME[edit], tmp_path) == digest(SOURCE, tmp_path)


@pytest.mark.parametrize("edit", OTHER)
def test_code_changes_the_digest(edit: str, tmp_path: Path) -> None:
    assert OTHER[edit] != SOURCE
    assert digest(OTHER[edit], tmp_path) != digest(SOURCE, tmp_path)


def test_a_string_that_is_an_argument_is_not_a_docstring(tmp_path: Path) -> None:
    assert digest('print("a")\n', tmp_path) != digest('print("b")\n', tmp_path)
    assert digest('x = """a"""\n', tmp_path) != digest('x = """b"""\n', tmp_path)


def test_the_first_docstring_of_an_empty_module_does_not_change_the_digest(tmp_path: Path) -> None:
    assert digest('"""Plug-ins."""\n', tmp_path) == digest("", tmp_path)


def test_every_byte_of_another_file_changes_its_digest(tmp_path: Path) -> None:
    assert digest("# a\n", tmp_path, "a.css") != digest("# b\n", tmp_path, "b.css")


PYTHONS = sorted({path for n in (11, 12, 13, 14) if (path := shutil.which(f"python3.{n}"))})


@pytest.mark.parametrize("python", PYTHONS)
def test_every_version_of_python_gives_the_same_digest(python: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(SOURCE)
    program = "import sys; from source_digest import source_digest as d; from pathlib import Path\n"
    program += "print(d(Path(sys.argv[1])))"
    folder = Path(module.__file__).parent
    done = subprocess.run(
        [python, "-c", program, str(tmp_path / "module.py")],
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unknown command" in done.stderr or "not found" in done.stderr:
        pytest.skip(f"{python} is not a working interpreter")
    assert done.stdout.strip() == DIGEST, done.stderr
