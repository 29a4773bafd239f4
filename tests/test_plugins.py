"""Each plug-in is a single file: a plug-in of each kind is added and used in a small pipeline."""

import importlib
import inspect
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tandem import augmentation, baselines, cli, compression, corpora, metrics, pretrained, sources
from tandem.core import io, paths, registry
from tandem.lineage import exports
from tandem.report import labels
from tandem.text import filters

PLUGINS = {
    "sources/countries.py": '''
from tandem.core.raw_records import SourceInfo, UNKNOWN
from tandem.sources import SourceParams

class Params(SourceParams):
    """How many rows."""
    rows: int

WORDS = "amber birch cedar delta ember fjord grove haven islet juniper knoll lagoon".split()

def rows(params):
    for number in range(params.rows):
        label = ("bad", "good")[number % 2]
        text = f"a {label} country, {WORDS[number % 12]} {WORDS[number // 12]} {number}"
        yield {"id": str(number), "text": text, "label": label}

def origin(params):
    return SourceInfo(UNKNOWN)
''',
    "text/filters/unlucky.py": '''
from tandem.text.filters import FilterParams

class Params(FilterParams):
    """The text of rows to drop."""
    number: int

def drop_reasons(rows, task, params):
    for row in rows:
        yield "unlucky" if row.text.endswith(f" {params.number}") else None
''',
    "augmentation/loud.py": '''
from tandem.augmentation import AugmentationParams

class Params(AugmentationParams):
    """No settings."""

def apply(words, rng, vocabulary, params):
    return [word.upper() for word in words]
''',
    "tasks/verdict.py": """
from dataclasses import dataclass
from tandem.core.rows import Row
from tandem.core.task import BaseTask, parse_row

@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRow(Row):
    label: str

class Task(BaseTask):
    name = "verdict"
    row = VerdictRow
    family = "classification"
    metrics = ("hits",)
    baselines = ("optimist",)
    labels = ("bad", "good")

    def parse(self, raw):
        return parse_row(VerdictRow, raw)
""",
    "metrics/hits.py": """
import numpy as np

TITLE = "Hits"
HINT = "number of correct labels"
DECIMALS = 0
LOWER_IS_BETTER = False
INPUTS = {"predictions": "string", "references": "string"}

def columns(rows, predictions):
    return {"predictions": [answer["label"] for answer in predictions],
            "references": [row.label for row in rows]}

def compute(predictions, references):
    return float(sum(a == b for a, b in zip(predictions, references)))

def statistics(rows, predictions):
    pairs = zip(predictions, rows)
    return np.array([[float(answer["label"] == row.label)] for answer, row in pairs])

def value(sums):
    return sums[..., 0]
""",
    "baselines/optimist.py": """
LABEL = "always good"

def predict(task, train, test, settings):
    return [{"label": "good"} for _ in test]
""",
    "compression/twin.py": '''
from tandem.core.schema import StrictModel

LABEL = "an exact copy"

class Params(StrictModel):
    """No settings."""

def compress(context, params):
    context.model.save(context.folder)
''',
    "stages/count.py": '''
"""Count a task's test rows.

Reads   data/split/TASK/test.parquet
Writes  reports/details/count/TASK.json

    tandem count verdict
"""
from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.rows import read_rows
from tandem.core.schema import StrictModel

class Params(StrictModel):
    """What is added to the count."""
    offset: int = 0

def main(task: str) -> None:
    """Count the rows."""
    settings = params.load(Params, task, "count")
    rows = read_rows(paths.split(task) / "test.parquet", tasks.load(task).row)
    with io.atomic_outputs(paths.details("count", task)) as (file,):
        io.write_details(file, {"rows": len(rows) + settings.offset})
''',
}
TRAINING = {
    "max_steps": 2,
    "eval_steps": 2,
    "batch_size": 4,
    "learning_rate": 0.001,
    "max_length": 16,
}
PARAMS: dict[str, Any] = {
    "runtime": {"seed": 13, "threads": 1, "isa": "avx2", "device": "cpu"},
    "tasks": ["verdict"],
    "methods": ["twin"],
    "augmentation_models": {"verdict": {"forward": "models/none", "backward": "models/none"}},
    "verdict": {
        "fetch": {"source": {"kind": "countries", "rows": 120}},
        "clean": {"filters": [{"kind": "unlucky", "number": 13}]},
        "split": {"near_duplicates": {"threshold": 0.99}},
        "augment": {"operations": [{"kind": "loud"}], "fraction": 1.0},
        "train": TRAINING | {"model": {"kind": "classification"}},
        "baseline": {},
        "evaluate": {"max_rows": None, "batch_size": 8},
        "twin": {},
        "count": {"offset": 1},
    },
}


@pytest.fixture
def project(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with params.yaml and a pretrained encoder; the plug-ins are found by name."""
    for name, text in PLUGINS.items():
        file = tmp_path / "plugins" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        package = importlib.import_module("tandem." + ".".join(Path(name).parts[:-1]))
        package.__path__.append(str(file.parent))
    monkeypatch.chdir(tmp_path)
    YAML().dump(PARAMS, paths.PARAMS)
    shutil.copytree(tiny / "encoder", paths.model("verdict", "pretrained"))
    yield tmp_path
    for name in PLUGINS:
        module = "tandem." + ".".join(Path(name).with_suffix("").parts)
        parent = importlib.import_module(module.rpartition(".")[0])
        parent.__path__.remove(str((tmp_path / "plugins" / name).parent))
        sys.modules.pop(module, None)
        vars(parent).pop(module.rpartition(".")[2], None)


def test_a_plug_in_of_each_kind_is_one_file(project: Path) -> None:
    commands = ("fetch", "clean", "split", "augment", "train", "baseline", "count")
    assert cli.main(["check"]) == 0
    for command in commands:
        assert cli.main([command, "verdict"]) == 0, command
    for words in (["compress", "verdict", "twin"], ["evaluate", "verdict", "twin"]):
        assert cli.main(words) == 0, words

    clean = io.read_details(paths.details("clean", "verdict"))
    assert clean["dropped"] == {"unlucky": 1}
    augmented = io.read_details(paths.details("augment", "verdict"))
    assert augmented["operations"]["loud"] == augmented["derived"] > 0
    scores = io.read_details(paths.details("baseline", "verdict"))["optimist"]["hits"]
    counted = io.read_details(paths.details("count", "verdict"))["rows"]
    assert 0 < scores["value"] <= scores["n"] == counted - 1
    twin = io.read_details(paths.details("evaluate", "verdict-twin"))
    assert twin["hits"]["n"] == counted - 1


def test_their_labels_are_those_of_reports(project: Path) -> None:
    label = labels.metric("hits")
    assert (label.title, label.decimals) == ("Hits", 0)
    assert labels.variant("twin") == "an exact copy"
    assert labels.variant("baseline/optimist") == "always good"


PROTOCOLS: dict[str, type[Any]] = {
    "sources": sources.Source,
    "corpora": corpora.Corpus,
    "pretrained": pretrained.WeightsSource,
    "text.filters": filters.Filter,
    "metrics": metrics.Metric,
    "baselines": baselines.Baseline,
    "compression": compression.Method,
    "lineage.exports": exports.ExportFormat,
}


@pytest.mark.parametrize("package", PROTOCOLS)
def test_every_plug_in_follows_the_protocol_of_its_kind(package: str) -> None:
    protocol = PROTOCOLS[package]
    for name in registry.names(package):
        plugin = registry.load(package, name)
        for member in sorted(_members(protocol)):
            assert hasattr(plugin, member), f"{package}.{name} has no {member}"
            function = getattr(protocol, member, None)
            if inspect.isfunction(function) and not _is_variadic(function):
                expected = list(inspect.signature(function).parameters)[1:]
                found = inspect.signature(getattr(plugin, member)).parameters
                assert len(found) == len(expected), f"{name}.{member}"


def test_augmentations_have_one_of_two_protocols() -> None:
    for name in registry.names("augmentation"):
        plugin = registry.load("augmentation", name)
        assert issubclass(plugin.Params, augmentation.AugmentationParams)
        assert hasattr(plugin, "apply") != hasattr(plugin, "apply_all"), name


def _members(protocol: type[Any]) -> set[str]:
    own = {*vars(protocol), *vars(protocol).get("__annotations__", {})}
    return {name for name in own if not name.startswith("_")}


def _is_variadic(function: Any) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
