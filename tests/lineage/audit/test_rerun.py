from pathlib import Path

import pytest

from tandem.core.errors import StageError
from tandem.lineage.audit import rerun


def test_a_record_cannot_name_files_outside_of_the_project_to_be_copied(tmp_path: Path) -> None:
    root, scratch = tmp_path / "a" / "root", tmp_path / "scratch"
    (root / "data").mkdir(parents=True)
    scratch.mkdir()
    (tmp_path / "a" / "secret").write_text("secret")
    (root / "data" / "rows").write_text("rows")
    with pytest.raises(StageError, match=r"has a `\.\.` part"):
        rerun._copy(root, "../secret", scratch)
    rerun._copy(root, "data", scratch)
    assert [path.name for path in tmp_path.rglob("secret")] == ["secret"]
    assert (scratch / "data" / "rows").read_text() == "rows"
