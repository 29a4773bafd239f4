"""The report: its scores and their order, HTML escaping, and equal bytes from equal metrics."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from tandem import baselines, compression, metrics
from tandem.core import io, paths, registry
from tandem.core.errors import StageError
from tandem.core.params import ProjectParams
from tandem.preferences.labels import MetricLabel
from tandem.report import labels, scores, task_views, views
from tandem.report.scores import Score
from tandem.stages import report

HOSTILE = '<script>alert("x")</script>|$\\frac'

PROJECT = {
    "runtime": {"seed": 13, "threads": 1, "isa": "avx2", "device": "cpu"},
    "tasks": ["generation", "sentiment"],
    "methods": ["int8"],
    "preferences": {
        "generation": {
            "ratings": "sentiment",
            "encoder": "models/sentiment/base",
            "judge": "models/sentiment/pretrained",
        }
    },
    "augmentation_ablation": {"sentiment": {"forward": "a", "backward": "b"}},
}


SPREAD = {"mean": 0.7125, "deviation": 0.0125, "seeds": {"13": 0.7, "14": 0.725}}


def entry(value: float, spread: float = 0.02, n: int = 2000) -> dict[str, Any]:
    return {"value": value, "low": value - spread, "high": value + spread, "n": n, "seed": 13}


def with_weights(scores: dict[str, Any], size: int, digest: str) -> dict[str, Any]:
    return scores | {"size_bytes": size, "parameters": 22_713_216, "weights_sha256": digest}


METRICS: dict[str, Any] = {
    "fetch/sentiment": {
        "rows": 23703, "groups": 15603, "domains": 2, "labels": 2, "unreadable": 1,
        "unreadable_by_reason": {HOSTILE: 1},
        "rows_by_domain": {"movie": 10605, HOSTILE: 13098}, "rows_by_label": {"negative": 9181},
    },
    "clean/sentiment": {"rows": 23703, "kept": 23497, "dropped": {"duplicate": 137, HOSTILE: 69}},
    "split/sentiment": {
        "rows": {"train": 18733, "validation": 2341, "test": 2352},
        "dropped": {"same_text_as_test": 41},
    },
    "augment/sentiment": {"originals": 18733, "derived": 1741},
    "train/sentiment": {"rows": 20474, "steps": 600, "validation_loss": 0.612},
    "baseline/sentiment": {
        "vader": {"accuracy": entry(0.609), "macro_f1": entry(0.567)},
        "tfidf": {"accuracy": entry(0.688), "macro_f1": entry(0.636),
                  f"accuracy/{HOSTILE}": entry(0.7)},
        "human": {"accuracy": entry(0.831, 0.01, 44146), "macro_f1": entry(0.791, 0.01, 44146)},
    },
    "evaluate/sentiment-base": with_weights(
        {"accuracy": entry(0.719), "macro_f1": entry(0.681), f"accuracy/{HOSTILE}": entry(0.72)},
        90_869_104, "aa",
    ),
    "evaluate/sentiment-int8": with_weights(
        {"accuracy": entry(0.715), "macro_f1": entry(0.68)}, 23_869_104, "bb"
    ),
    "evaluate/sentiment-oldmethod": with_weights({"accuracy": entry(0.99)}, 1, "cc"),
    "evaluate/dropped_task-base": with_weights({"accuracy": entry(0.99)}, 1, "dd"),
    "baseline/generation": {"ngram": {"bits_per_byte": entry(1.906, n=300)}},
    "evaluate/generation-base": with_weights(
        {"bits_per_byte": entry(1.455, n=300)}, 517_000_000, "ee"
    ),
    "reward/generation": {"pairs": 3000, "validation": {"pair_accuracy": entry(0.89, n=500)}},
    "augmentation-ablation/sentiment": {
        "none": {"derived": 0, "accuracy": entry(0.701)},
        "swap": {"derived": 900, "accuracy": entry(0.713), "accuracy/difference": entry(0.012)},
    },
    "augmentation-ablation/generation": {"none": {"bits_per_byte": entry(1.234)}},
    "align/generation": {"steps": 50, "base": {"reward": entry(0.1)},
                         "aligned": {"reward": entry(0.9)}},
    "evaluate-preferences/generation": {
        "reward": {"pair_accuracy": entry(0.893, n=500)},
        "vader": {"pair_accuracy": entry(0.69, n=500)},
        "aligned": {"win_rate/reward": entry(0.66, n=100)},
    },
}  # fmt: skip


def scenario(milliseconds: float, speedup: float) -> dict[str, float]:
    return {
        "milliseconds_per_row": milliseconds, "speedup": speedup, "low": speedup, "high": speedup
    }  # fmt: skip


SCENARIOS = {"single": scenario(5.1, 4.04), "batch": scenario(5.1, 4.04)}
LATENCY: dict[str, Any] = {
    "machine": {"cores": 2},
    "sentiment": {
        "base": {
            "weights_sha256": "aa",
            "single": scenario(20.4, 1.0),
            "batch": scenario(17.2, 1.0),
        },
        "int8": {
            "weights_sha256": "old",
            "single": scenario(8.3, 2.46),
            "batch": scenario(9.1, 1.9),
        },
    },
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(json.dumps(PROJECT))
    for name, content in METRICS.items():
        path = paths.DETAILS / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        io.write_details(path, content)
    curve = task_views.PLOTS / "train" / "sentiment.csv"
    curve.parent.mkdir(parents=True)
    curve.write_text(
        "step,train_loss,validation_loss,learning_rate\n50,1.0,0.9,1e-05\n100,0.7,0.8,0.0\n"
    )
    report.LATENCY.parent.mkdir()
    io.write_json(report.LATENCY, LATENCY)
    return tmp_path


def outputs(root: Path) -> dict[str, bytes]:
    paths = [report.SUMMARY, *report.HTML.rglob("*"), *report.CARDS.rglob("*")]
    return {str(path): (root / path).read_bytes() for path in paths}


def test_same_metrics_give_the_same_bytes(project: Path) -> None:
    message = report.main()
    first = outputs(project)
    scores = len(io.read_json(report.SUMMARY))
    assert message == (
        f"{scores} scores of 2 tasks; written to reports/summary.json, reports/html/index.html "
        "and reports/cards (5 cards)"
    )
    report.main()
    assert outputs(project) == first
    assert {path.name for path in report.CARDS.iterdir()} == {
        "data-generation.md", "data-sentiment.md", "generation-base.md", "sentiment-base.md",
        "sentiment-int8.md",
    }  # fmt: skip


def test_the_spread_across_seeds_is_shown_where_params_have_seeds(project: Path) -> None:
    path = paths.DETAILS / "seeds" / "sentiment.json"
    path.parent.mkdir()
    io.write_details(path, {"macro_f1": SPREAD, "accuracy": SPREAD, "accuracy/movie": SPREAD})
    report.main()
    page = (report.HTML / "index.html").read_text()
    assert "Spread across seeds" not in page
    with_seeds = PROJECT | {"seeds": {"sentiment": {"runs": [13, 14]}}}
    Path("params.yaml").write_text(json.dumps(with_seeds))
    report.main()
    page = (report.HTML / "index.html").read_text()
    table = page.partition("Spread across seeds")[2].partition("</table>")[0]
    assert re.findall(r'<th scope="row">([^<]+)', table) == ["Accuracy", "Macro F1"]
    row = ["0.700", "0.725", "0.713", "0.013"]
    assert re.findall(r'<td class="num">([^<]+)', table) == row * 2
    assert 'class="num">13<' in table and 'class="num">14<' in table


def test_summary_has_each_score_once_and_sorted(project: Path) -> None:
    report.main()
    rows = json.loads(report.SUMMARY.read_text())
    keys = [(row["task"], row["variant"], row["metric"]) for row in rows]
    assert keys == sorted(set(keys))
    assert all(
        set(row) == {"task", "variant", "metric", "value", "low", "high", "n", "seed"}
        for row in rows
    )
    values = {key: row["value"] for key, row in zip(keys, rows, strict=True)}
    assert values["sentiment", "base", "accuracy"] == 0.719
    assert values["sentiment", "human", "macro_f1"] == 0.791
    assert values["sentiment", "int8", "size_bytes"] == 23_869_104
    assert values["generation", "baseline/vader", "pair_accuracy"] == 0.69
    assert values["generation", "reward", "pair_accuracy"] == 0.893
    assert values["generation", "reward", "reward/validation/pair_accuracy"] == 0.89
    assert values["generation", "aligned", "align/steps"] == 50
    assert values["generation", "base", "align/reward"] == 0.1


def test_tasks_and_methods_that_are_not_in_params_are_left_out(project: Path) -> None:
    report.main()
    rows = json.loads(report.SUMMARY.read_text())
    assert {row["task"] for row in rows} == {"generation", "sentiment"}
    assert "oldmethod" not in {row["variant"] for row in rows}


def test_hostile_text_is_escaped_everywhere(project: Path) -> None:
    report.main()
    for name, content in outputs(project).items():
        if not name.endswith(".json"):
            assert "<script" not in content.decode()
    assert "&lt;script&gt;" in (report.HTML / "index.html").read_text()
    table = (report.CARDS / "data-sentiment.md").read_text()
    assert "&lt;script&gt;" in table
    assert all(line.count("|") in (3, 5) for line in table.splitlines() if line.startswith("|"))


def test_page_loads_nothing_and_has_the_numbers(project: Path) -> None:
    report.main()
    page = (report.HTML / "index.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#|\.\./)|url\((?!#)|@import', page)
    text = re.sub(r"<[^>]+>", " ", page)
    for number in (
        "0.719",
        "0.699 – 0.739",
        "0.688",
        "0.831",
        "17.2 ms",
        "out of date",
        "23\u202f497",
    ):
        assert number in text, number
    assert page.count("<figure") == 2  # a plot of the loss, and a plot of score against size


def test_augmentation_ablation_is_shown_if_params_have_it(project: Path) -> None:
    report.main()
    values = {
        (row["task"], row["variant"], row["metric"]): row["value"]
        for row in json.loads(report.SUMMARY.read_text())
        if row["variant"].startswith("augmentation/")
    }
    prefix = "augmentation-ablation"
    assert values == {
        ("sentiment", "augmentation/none", f"{prefix}/accuracy"): 0.701,
        ("sentiment", "augmentation/none", f"{prefix}/derived"): 0,
        ("sentiment", "augmentation/swap", f"{prefix}/accuracy"): 0.713,
        ("sentiment", "augmentation/swap", f"{prefix}/accuracy/difference"): 0.012,
        ("sentiment", "augmentation/swap", f"{prefix}/derived"): 900,
    }
    text = re.sub(r"<[^>]+>", " ", (report.HTML / "index.html").read_text())
    assert "Accuracy, difference" in text and "−0.008 – 0.032" in text
    assert "1.234" not in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"sentiment": {"int8": {"weights_sha256": "bb", "speedup": 2.0}}},
            "sentiment.int8.single",
        ),
        ({"sentiment": {"int8": LATENCY["sentiment"]["int8"] | {"of_sha256": "aa"}}}, "either"),
        ({"sentiment": {"onnx": {"of_sha256": "aa", **SCENARIOS}}}, "must be given together"),
        ([], "object"),
    ],
)
def test_malformed_latencies_are_reported_in_one_line(
    project: Path, content: Any, message: str
) -> None:
    io.write_json(report.LATENCY, content)
    with pytest.raises(StageError, match=f"{report.LATENCY} .*{message}.*make bench"):
        report.main()
    assert not report.HTML.exists()


def test_scores_are_drawn_against_size_and_latency(project: Path) -> None:
    measured = json.loads(report.LATENCY.read_text())
    measured["sentiment"]["int8"]["weights_sha256"] = "bb"
    io.write_json(report.LATENCY, measured)
    report.main()
    page = (report.HTML / "index.html").read_text()
    assert page.count("<figure") == 3
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert sum("On the front: int8, base" in caption for caption in captions) == 2
    assert "milliseconds per text, without batching" in page
    assert "weights, MB" in page


@pytest.mark.parametrize(("base", "shown"), [("aa", True), ("old", False)])
def test_a_graph_is_shown_if_it_was_made_from_the_evaluated_base(
    project: Path, base: str, shown: bool
) -> None:
    measured = json.loads(report.LATENCY.read_text())
    measured["sentiment"]["onnx"] = {
        "of_sha256": base, **SCENARIOS,
        "scores": {"accuracy": entry(0.7755), "size_bytes": 23_000_000, "parameters": 22_000_000},
    }  # fmt: skip
    io.write_json(report.LATENCY, measured)
    report.main()
    assert not [row for row in io.read_json(report.SUMMARY) if row["variant"] == "onnx"]
    page = (report.HTML / "index.html").read_text()
    assert ("4.04 × as fast" in page) == ('<th scope="row">onnx</th>' in page) == shown
    assert not (report.CARDS / "sentiment-onnx.md").exists()
    assert "sentiment-onnx.md" not in page


def size(variant: str, megabytes: float, value: float, ms: float | None = None) -> views.Size:
    measured = {"single": {"milliseconds_per_row": ms}, "current": ms is not None and ms < 100}
    latency = None if ms is None else measured
    return views.Size(
        variant=variant, megabytes=megabytes, parameters=None,
        value=value, low=None, high=None, latency=latency,
    )  # fmt: skip


def test_the_front_has_the_variants_that_no_other_dominates() -> None:
    sizes = [
        size("base", 90, 0.80, 10), size("int8", 23, 0.79, 4), size("pruned", 60, 0.78, 5),
        size("twin", 23, 0.79, 4), size("worse", 23, 0.70, 200),
    ]  # fmt: skip
    points = views.pareto_points(sizes, 1)
    assert [(p.variant, p.on_front) for p in points["size"]] == [
        ("int8", True), ("twin", True), ("worse", False), ("pruned", False), ("base", True),
    ]  # fmt: skip
    assert [p.variant for p in points["latency"]] == ["int8", "twin", "pruned", "base"]
    lower_is_better = views.pareto_points(sizes, -1)["size"]
    assert [p.variant for p in lower_is_better if p.on_front] == ["worse"]


def test_a_single_variant_is_not_drawn() -> None:
    assert views.pareto_points([size("base", 90, 0.8, 10)], 1) == {}


def test_model_card_can_be_read_by_the_hub(project: Path) -> None:
    report.main()
    card = ModelCard.load(report.CARDS / "sentiment-base.md")
    scores = {result.metric_type: result.metric_value for result in card.data.eval_results or []}
    assert scores == {"accuracy": 0.719, "macro_f1": 0.681}
    assert "| Accuracy (fraction of correct labels) | 0.719 | 0.699 – 0.739 |" in card.content
    assert "validation loss: 0.612" in card.content


def test_a_project_without_scores_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(json.dumps(PROJECT))
    with pytest.raises(StageError, match="has no scores"):
        report.main()
    assert not report.SUMMARY.exists()


def test_it_runs_without_heavy_libraries(project: Path) -> None:
    (task_views.PLOTS / "train" / "sentiment.csv").unlink()
    for path in paths.DETAILS.glob("evaluate/*"):
        path.unlink()
    code = (
        "import sys; from tandem.stages import report; report.main();"
        "heavy = {'torch', 'sklearn', 'transformers', 'datasets', 'evaluate', 'matplotlib'};"
        "heavy &= set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def score(variant: str, metric: str, value: float, **more: Any) -> Score:
    return Score(
        stage="evaluate", task="t", variant=variant, metric=metric, value=value, n=10, **more
    )


def test_best_follows_the_direction_and_is_never_human() -> None:
    panel = views.panel("accuracy", [
        score("human", "accuracy", 0.9), score("base", "accuracy", 0.7),
        score("baseline/tfidf", "accuracy", 0.8),
    ])  # fmt: skip
    assert [(mark.name, mark.best) for mark in panel.marks] == [
        ("base", False), ("tfidf", True), ("human", False),
    ]  # fmt: skip
    assert panel.reference == panel.marks[1].x
    bits = views.panel(
        "bits_per_byte",
        [score("base", "bits_per_byte", 1.4), score("baseline/ngram", "bits_per_byte", 1.9)],
    )
    assert [mark.best for mark in bits.marks] == [True, False]


def test_marks_are_in_proportion_and_may_lack_an_interval() -> None:
    panel = views.panel("accuracy", [
        score("base", "accuracy", 0.5, low=0.4, high=0.6), score("int8", "accuracy", 0.8),
    ])  # fmt: skip
    base, int8 = panel.marks
    assert (base.x_low, base.x, base.x_high, int8.x) == (4, 27, 50, 96)
    assert (int8.interval, int8.x_low, int8.x_high) == ("", 96, 96)
    assert panel.scale == ("0.400", "0.800")


def test_unknown_metric_is_shown_without_a_best() -> None:
    panel = views.panel("speed", [score("base", "speed", 1.0), score("int8", "speed", 2.0)])
    assert panel.title == "Speed"
    assert not any(mark.best for mark in panel.marks)


def test_numbers_are_formatted() -> None:
    assert labels.number(1234567) == "1\u202f234\u202f567"
    assert labels.number(-0.5, 1) == "−0.5"
    assert labels.number(None) == "–"


def test_task_whose_name_is_a_prefix_of_another() -> None:
    project = ProjectParams.model_validate(PROJECT | {"tasks": ["a", "a-b"], "preferences": {}})
    metrics = {"evaluate": {"a-base": {"x": 1}, "a-b-base": {"x": 2}}}
    values = {(s.task, s.variant): s.value for s in scores.gather(metrics, project)}
    assert values == {("a", "base"): 1, ("a-b", "base"): 2}


def test_labels_come_from_the_modules_of_plug_ins() -> None:
    for name in registry.names("metrics"):
        module = metrics.load(name)
        assert labels.metric(f"{name}/movie") == MetricLabel(
            module.TITLE, module.HINT, module.DECIMALS, -1 if module.LOWER_IS_BETTER else 1
        )
    for name in registry.names("baselines"):
        assert labels.variant(f"baseline/{name}") == baselines.load(name).LABEL
    for name in registry.names("compression"):
        assert labels.variant(name) == compression.load(name).LABEL
    assert labels.variant("judge") == labels.ROLES["judge"]


def test_what_has_no_label_is_shown_by_its_name() -> None:
    assert labels.metric("new_metric/movie") == MetricLabel("New metric", direction=0)
    assert labels.variant("new") == labels.variant("baseline/new") == "new"


def test_metrics_are_in_the_order_of_the_task_then_of_the_preference_stages() -> None:
    order = labels.metric_order("sentiment")
    metrics = ["zeta", "win_rate/vader", "pair_accuracy", "macro_f1", "accuracy", "alpha"]
    assert views.sort_metrics(metrics, order) == [
        "accuracy", "macro_f1", "pair_accuracy", "win_rate/vader", "alpha", "zeta",
    ]  # fmt: skip
