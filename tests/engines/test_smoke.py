"""The whole DAG, with its own commands on tiny params, gives the same bytes under both engines."""

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from engines.workspace import Workspace, clone
from ruamel.yaml import YAML

ENGINES = {
    "dvc repro": ["dvc", "repro", "--quiet"],
    "snakemake -c1": ["snakemake", "--cores", "1"],
    "snakemake -c4": ["snakemake", "--cores", "4"],
}
pytestmark = [pytest.mark.engines, pytest.mark.timeout(1500), pytest.mark.xdist_group("smoke")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Workspace]]:
    """A clone an engine, each with an empty cache, run from nothing; two at a time."""
    made = {}
    for engine in ENGINES:
        made[engine] = clone(tmp_path_factory.mktemp("smoke"))
        made[engine].run("tandem", "overlay", "params.smoke.yaml", "params.yaml")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda engine: made[engine].run(*ENGINES[engine]), ENGINES))
    yield made
    for workspace in made.values():
        shutil.rmtree(workspace.path, ignore_errors=True)


def test_the_same_lock_from_either_engine_at_any_parallelism(runs: dict[str, Workspace]) -> None:
    locks = {engine: workspace.lock() for engine, workspace in runs.items()}
    assert locks["dvc repro"] == locks["snakemake -c1"] == locks["snakemake -c4"]
    assert '"train@sentiment"' in locks["dvc repro"]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_other_engine_has_nothing_to_do(engine: str, runs: dict[str, Workspace]) -> None:
    assert runs[engine].changed() == set()
    assert runs[engine].planned() == set()


def test_no_artifact_names_this_machine_or_is_a_pickle(runs: dict[str, Workspace]) -> None:
    root = runs["snakemake -c4"].path
    for folder in ("data", "models", "reports"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file():
                assert str(root).encode() not in path.read_bytes(), path
                assert path.suffix not in {".pkl", ".pt", ".bin", ".joblib", ".pickle"}, path


TASK = '''
"""What a film review is about: an example task, in one file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tandem.core.records import Row
from tandem.core.task import BaseTask, row_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRow(Row):
    label: str


class Task(BaseTask):
    name = "topic"
    row = TopicRow
    family = "classification"
    metrics = ("accuracy", "macro_f1")
    baselines = ("majority", "tfidf")
    labels = ("plot", "acting")

    def parse(self, raw: Mapping[str, Any]) -> TopicRow:
        return row_of(TopicRow, raw)

    def stratum(self, row: Row) -> str:
        return row.label
'''


def test_a_fifth_task_is_one_file_and_its_params(runs: dict[str, Workspace]) -> None:
    workspace = runs["dvc repro"]
    before = workspace.lock()
    (workspace.path / "src/tandem/tasks/topic.py").write_text(TASK)
    words = {"plot": "the story turns and ends", "acting": "the actor plays and speaks"}
    numbers = [
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ]
    lines = ["text,label"]
    for first in numbers:
        for second in numbers:
            label = ("plot", "acting")[len(first + second) % 2]
            lines.append(f"{first} {words[label]} like {second},{label}")
    (workspace.path / "topics.csv").write_text("\n".join(lines) + "\n")
    add_task(workspace.path / "params.yaml")
    workspace.run("tandem", "check")
    planned = workspace.planned()
    new = {stage for stage in planned if "@topic" in stage}
    assert planned == new | {"report"} and len(new) > 10
    workspace.snakemake("--cores", "2", check=True)
    assert workspace.changed() == set()
    assert "topic" in (workspace.path / "reports/summary.json").read_text()
    old, now = YAML(typ="safe").load(before), YAML(typ="safe").load(workspace.lock())
    for name, entry in old["stages"].items():
        assert name == "report" or now["stages"][name] == entry


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def add_task(path: Path) -> None:
    """The section that the fifth task needs: sentiment's, with a source of its own."""
    yaml = YAML()
    content = yaml.load(path.read_text())
    content["tasks"].append("topic")
    content["topic"] = content["sentiment"]
    text = path.with_suffix(".new")
    with text.open("w") as file:
        yaml.dump(content, file)
    content = yaml.load(text.read_text())
    content["topic"]["fetch"] = {
        "source": {
            "kind": "files",
            "files": [{"path": "topics.csv", "sha256": sha256(path.with_name("topics.csv"))}],
            "format": "csv",
            "columns": {"text": "text", "label": "label"},
        },
        "unreadable": "stop",
    }
    content["topic"]["train"]["model"] = {"kind": "classification"}
    with path.open("w") as file:
        yaml.dump(content, file)
    text.unlink()
