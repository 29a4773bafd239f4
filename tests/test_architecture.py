"""The contracts between packages in pyproject.toml hold: layers, no cycles, no torch in params."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_contracts_of_import_linter_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_params_of_all_tasks_are_checked_without_torch() -> None:
    code = (
        "import sys\n"
        "from tandem.core import params, params_check, params_schema\n"
        "from tandem.engines import dvc_stages\n"
        "params_check.check(params.read(), dvc_stages.sections)\n"
        "params_schema.params_schema()\n"
        "print([name for name in ('torch', 'transformers', 'sklearn') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_stages_are_short() -> None:
    """A stage loads, calls a library function and writes."""
    files = [*(ROOT / "src/tandem/stages").glob("*.py")]
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert len(files) > 15
    assert {name: lines for name, lines in lengths.items() if lines > 80} == {}
