"""workflow/packages says what requirements.lock and the code say, a stage each."""

from pathlib import Path

import pytest

from tandem import packages
from tandem.core import paths

ROOT = Path(__file__).parents[1]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's own files in a folder to change them in."""
    monkeypatch.chdir(tmp_path)
    for name in ("src", "dvc.yaml"):
        Path(name).symlink_to(ROOT / name)
    paths.REQUIREMENTS.write_bytes((ROOT / paths.REQUIREMENTS).read_bytes())
    return tmp_path


def test_the_files_are_up_to_date(here: Path) -> None:
    kept = {path.name: path.read_text() for path in (ROOT / paths.PACKAGES).glob("*.txt")}
    assert packages.files() == kept


@pytest.mark.parametrize(
    ("package", "stages", "spared"),
    [
        ("matplotlib", {"report"}, {"train", "evaluate", "clean"}),
        ("torch", {"train", "align", "evaluate", "compress", "fetch-model"}, {"clean", "report"}),
        ("ftfy", {"clean", "split", "augment"}, {"train", "fetch"}),
        ("dvc", set(), {"train", "clean", "report"}),
    ],
)
def test_an_upgrade_touches_the_stages_that_import_it(
    package: str, stages: set[str], spared: set[str], here: Path
) -> None:
    before = packages.files()
    lines = paths.REQUIREMENTS.read_text().splitlines()
    changed = [f"{package}==99" if line.startswith(f"{package}==") else line for line in lines]
    assert changed != lines
    paths.REQUIREMENTS.write_text("\n".join(changed))
    after = packages.files()
    touched = {name.removesuffix(".txt") for name in before if before[name] != after[name]}
    assert stages <= touched and not spared & touched
