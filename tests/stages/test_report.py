"""The report says what the metrics say: sorted, escaped, the same bytes each time."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from tandem.core import io
from tandem.core.errors import StageError
from tandem.core.params import ProjectParams
from tandem.report import labels, scores, views
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


def weighed(scores: dict[str, Any], size: int, digest: str) -> dict[str, Any]:
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
    "evaluate/sentiment-base": weighed(
        {"accuracy": entry(0.719), "macro_f1": entry(0.681), f"accuracy/{HOSTILE}": entry(0.72)},
        90_869_104, "aa",
    ),
    "evaluate/sentiment-int8": weighed(
        {"accuracy": entry(0.715), "macro_f1": entry(0.68)}, 23_869_104, "bb"
    ),
    "evaluate/sentiment-oldmethod": weighed({"accuracy": entry(0.99)}, 1, "cc"),
    "evaluate/dropped_task-base": weighed({"accuracy": entry(0.99)}, 1, "dd"),
    "baseline/generation": {"ngram": {"bits_per_byte": entry(1.906, n=300)}},
    "evaluate/generation-base": weighed({"bits_per_byte": entry(1.455, n=300)}, 517_000_000, "ee"),
    "reward/generation": {"pairs": 3000, "validation": {"pair_accuracy": entry(0.89, n=500)}},
    "augmentation-effect/sentiment": {
        "none": {"derived": 0, "accuracy": entry(0.701)},
        "swap": {"derived": 900, "accuracy": entry(0.713), "accuracy/difference": entry(0.012)},
    },
    "augmentation-effect/generation": {"none": {"bits_per_byte": entry(1.234)}},
    "align/generation": {"steps": 50, "base": {"reward": entry(0.1)},
                         "aligned": {"reward": entry(0.9)}},
    "evaluate-preferences/generation": {
        "reward": {"pair_accuracy": entry(0.893, n=500)},
        "vader": {"pair_accuracy": entry(0.69, n=500)},
        "aligned": {"win_rate/reward": entry(0.66, n=100)},
    },
}  # fmt: skip


def speed(milliseconds: float, speedup: float) -> dict[str, float]:
    return {
        "milliseconds_per_row": milliseconds, "speedup": speedup, "low": speedup, "high": speedup
    }  # fmt: skip


SCENARIOS = {"single": speed(5.1, 4.04), "batch": speed(5.1, 4.04)}
LATENCY: dict[str, Any] = {
    "machine": {"cores": 2},
    "sentiment": {
        "base": {"weights_sha256": "aa", "single": speed(20.4, 1.0), "batch": speed(17.2, 1.0)},
        "int8": {"weights_sha256": "old", "single": speed(8.3, 2.46), "batch": speed(9.1, 1.9)},
    },
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(json.dumps(PROJECT))
    for name, content in METRICS.items():
        path = report.METRICS / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        io.write_json(path, content)
    curve = report.PLOTS / "train" / "sentiment.csv"
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
    path = report.METRICS / "seeds" / "sentiment.json"
    path.parent.mkdir()
    io.write_json(path, {"macro_f1": SPREAD, "accuracy": SPREAD, "accuracy/movie": SPREAD})
    report.main()
    page = (report.HTML / "index.html").read_text()
    assert "Spread across seeds" not in page
    asked = {"seeds": {"sentiment": {"runs": [13, 14]}}}
    Path("params.yaml").write_text(json.dumps(PROJECT | asked))
    report.main()
    page = (report.HTML / "index.html").read_text()
    table = page.partition("Spread across seeds")[2].partition("</table>")[0]
    assert re.findall(r'<th scope="row">([^<]+)', table) == ["Accuracy", "Macro F1"]
    row = ["0.700", "0.725", "0.713", "0.013"]
    assert re.findall(r'<td class="num">([^<]+)', table) == row * 2
    assert 'class="num">13<' in table and 'class="num">14<' in table


def test_summary_holds_every_figure_once_sorted(project: Path) -> None:
    report.main()
    rows = json.loads(report.SUMMARY.read_text())
    keys = [(row["task"], row["variant"], row["metric"]) for row in rows]
    assert keys == sorted(set(keys))
    assert all(
        set(row) == {"task", "variant", "metric", "value", "low", "high", "n", "seed"}
        for row in rows
    )
    found = {key: row["value"] for key, row in zip(keys, rows, strict=True)}
    assert found["sentiment", "base", "accuracy"] == 0.719
    assert found["sentiment", "human", "macro_f1"] == 0.791
    assert found["sentiment", "int8", "size_bytes"] == 23_869_104
    assert found["generation", "baseline/vader", "pair_accuracy"] == 0.69
    assert found["generation", "reward", "pair_accuracy"] == 0.893
    assert found["generation", "reward", "reward/validation/pair_accuracy"] == 0.89
    assert found["generation", "aligned", "align/steps"] == 50
    assert found["generation", "base", "align/reward"] == 0.1


def test_what_params_no_longer_name_is_left_out(project: Path) -> None:
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


def test_page_loads_nothing_and_holds_the_numbers(project: Path) -> None:
    report.main()
    page = (report.HTML / "index.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#|\.\./)|url\((?!#)|@import', page)
    text = re.sub(r"<[^>]+>", " ", page)
    for shown in (
        "0.719",
        "0.699 – 0.739",
        "0.688",
        "0.831",
        "17.2 ms",
        "out of date",
        "23\u202f497",
    ):
        assert shown in text, shown
    assert page.count("<figure") == 2  # the loss curve, and sizes against score


def test_effects_of_augmentation_are_shown_where_params_ask_for_them(project: Path) -> None:
    report.main()
    found = {
        (row["task"], row["variant"], row["metric"]): row["value"]
        for row in json.loads(report.SUMMARY.read_text())
    }
    own = {key: value for key, value in found.items() if key[1].startswith("augmentation/")}
    prefix = "augmentation-effect"
    assert own == {
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
    ("content", "told"),
    [
        (
            {"sentiment": {"int8": {"weights_sha256": "bb", "speedup": 2.0}}},
            "sentiment.int8.single",
        ),
        ({"sentiment": {"int8": LATENCY["sentiment"]["int8"] | {"of_sha256": "aa"}}}, "either"),
        ({"sentiment": {"onnx": {"of_sha256": "aa", **SCENARIOS}}}, "scores stand together"),
        ([], "object"),
    ],
)
def test_latencies_of_another_form_are_one_line(project: Path, content: Any, told: str) -> None:
    io.write_json(report.LATENCY, content)
    with pytest.raises(StageError, match=f"{report.LATENCY} .*{told}.*make bench"):
        report.main()
    assert not report.HTML.exists()


def test_score_is_drawn_against_what_it_costs(project: Path) -> None:
    measured = json.loads(report.LATENCY.read_text())
    measured["sentiment"]["int8"]["weights_sha256"] = "bb"
    io.write_json(report.LATENCY, measured)
    report.main()
    page = (report.HTML / "index.html").read_text()
    assert page.count("<figure") == 3
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert sum("worse in none: int8, base" in caption for caption in captions) == 2
    assert "milliseconds a text, one at a time" in page
    assert "megabytes of weights" in page


@pytest.mark.parametrize(("of", "shown"), [("aa", True), ("old", False)])
def test_a_graph_is_shown_beside_the_base_it_was_made_of(
    project: Path, of: str, shown: bool
) -> None:
    measured = json.loads(report.LATENCY.read_text())
    measured["sentiment"]["onnx"] = {
        "of_sha256": of, **SCENARIOS,
        "scores": {"accuracy": entry(0.7755), "size_bytes": 23_000_000, "parameters": 22_000_000},
    }  # fmt: skip
    io.write_json(report.LATENCY, measured)
    report.main()
    assert not [row for row in io.read_json(report.SUMMARY) if row["variant"] == "onnx"]
    page = (report.HTML / "index.html").read_text()
    assert ("4.04 × as fast" in page) == ('<th scope="row">onnx</th>' in page) == shown
    assert not (report.CARDS / "sentiment-onnx.md").exists()
    assert "sentiment-onnx.md" not in page


def sized(variant: str, megabytes: float, value: float, ms: float | None = None) -> views.Size:
    took = {"single": {"milliseconds_per_row": ms}, "current": ms is not None and ms < 100}
    latency = None if ms is None else took
    return views.Size(
        variant=variant, name=variant, megabytes=megabytes, parameters=None,
        value=value, low=None, high=None, latency=latency,
    )  # fmt: skip


def test_the_front_is_what_no_other_variant_beats() -> None:
    sizes = [
        sized("base", 90, 0.80, 10), sized("int8", 23, 0.79, 4), sized("pruned", 60, 0.78, 5),
        sized("twin", 23, 0.79, 4), sized("worse", 23, 0.70, 200),
    ]  # fmt: skip
    found = views.pareto_points(sizes, 1)
    assert [(p.name, p.front) for p in found["size"]] == [
        ("int8", True), ("twin", True), ("worse", False), ("pruned", False), ("base", True),
    ]  # fmt: skip
    assert [p.name for p in found["latency"]] == ["int8", "twin", "pruned", "base"]
    less = views.pareto_points(sizes, -1)["size"]
    assert [p.name for p in less if p.front] == ["worse"]


def test_one_variant_is_not_compared() -> None:
    assert views.pareto_points([sized("base", 90, 0.8, 10)], 1) == {}


def test_model_card_is_the_hubs(project: Path) -> None:
    report.main()
    card = ModelCard.load(report.CARDS / "sentiment-base.md")
    scores = {each.metric_type: each.metric_value for each in card.data.eval_results or []}
    assert scores == {"accuracy": 0.719, "macro_f1": 0.681}
    assert "| Accuracy (share of right labels) | 0.719 | 0.699 – 0.739 |" in card.content
    assert "validation loss: 0.612" in card.content


def test_nothing_to_report_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(json.dumps(PROJECT))
    with pytest.raises(StageError, match="holds no score"):
        report.main()
    assert not report.SUMMARY.exists()


def test_it_starts_without_heavy_libraries() -> None:
    code = (
        "import sys, tandem.stages.report;"
        "heavy = {'torch', 'sklearn', 'transformers', 'datasets', 'matplotlib'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def figure(variant: str, metric: str, value: float, **more: Any) -> Score:
    return Score(
        stage="evaluate", task="t", variant=variant, metric=metric, value=value, n=10, **more
    )


def test_best_is_by_direction_and_never_people() -> None:
    panel = views.panel("accuracy", [
        figure("human", "accuracy", 0.9), figure("base", "accuracy", 0.7),
        figure("baseline/tfidf", "accuracy", 0.8),
    ])  # fmt: skip
    assert [(mark.name, mark.best) for mark in panel.marks] == [
        ("base", False), ("tfidf", True), ("human", False),
    ]  # fmt: skip
    assert panel.reference == panel.marks[1].at
    less = views.panel(
        "bits_per_byte",
        [figure("base", "bits_per_byte", 1.4), figure("baseline/ngram", "bits_per_byte", 1.9)],
    )
    assert [mark.best for mark in less.marks] == [True, False]


def test_marks_lie_in_proportion_and_lack_ends_where_there_are_none() -> None:
    panel = views.panel("accuracy", [
        figure("base", "accuracy", 0.5, low=0.4, high=0.6), figure("int8", "accuracy", 0.8),
    ])  # fmt: skip
    base, int8 = panel.marks
    assert (base.start, base.at, base.stop, int8.at) == (4, 27, 50, 96)
    assert (int8.ends, int8.start, int8.stop) == ("", 96, 96)
    assert panel.scale == ("0.400", "0.800")


def test_unknown_metric_is_shown_without_a_verdict() -> None:
    panel = views.panel("speed", [figure("base", "speed", 1.0), figure("int8", "speed", 2.0)])
    assert panel.title == "Speed"
    assert not any(mark.best for mark in panel.marks)


def test_numbers_are_written_for_people() -> None:
    assert labels.number(1234567) == "1\u202f234\u202f567"
    assert labels.number(-0.5, 1) == "−0.5"
    assert labels.number(None) == "–"


def test_task_whose_name_begins_like_another() -> None:
    project = ProjectParams.model_validate(PROJECT | {"tasks": ["a", "a-b"], "preferences": {}})
    metrics = {"evaluate": {"a-base": {"x": 1}, "a-b-base": {"x": 2}}}
    found = {(f.task, f.variant): f.value for f in scores.gather(metrics, project)}
    assert found == {("a", "base"): 1, ("a-b", "base"): 2}
