"""`tandem predict` answers each line immediately in JSON, with a tiny classifier and generator."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemas

from tandem import cli, predict
from tandem.core import params, paths
from tandem.core import task as tasks

ROOT = Path(__file__).parents[1]
LINES = "A  gem of a <b>movie</b>.\nmail me: jo@example.org\n\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(tiny / "encoder", paths.model("sentiment", "base"))
    shutil.copytree(tiny / "generator", paths.model("generation", "aligned"))
    return tmp_path


def run_predict(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, *arguments: str, text: str = LINES
) -> Any:
    """The exit code, the answers, and what was printed on stderr."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    code = cli.main(["predict", *arguments])
    out, err = capsys.readouterr()
    return code, [schemas.valid("predict", line) for line in out.splitlines()], err


def test_lines_are_cleaned_as_for_training(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, answers, err = run_predict(monkeypatch, capsys, "sentiment")
    assert (code, err) == (0, "")
    assert answers[0]["text"] == "A gem of a movie."
    assert "jo@example.org" not in answers[1]["text"] and answers[2:] == [
        {"text": "", "label": None}
    ]
    assert all(
        row["label"].startswith("LABEL_") for row in answers[:2]
    )  # the tiny model's own label names
    assert run_predict(monkeypatch, capsys, "sentiment", "--batch", "2")[1] == answers


def test_a_generator_gives_the_same_continuations_each_time(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, answers, _ = run_predict(monkeypatch, capsys, "generation", "--variant=aligned")
    assert code == 0 and len(answers) == 3
    assert all(row["continuation"] for row in answers[:2])
    assert answers[2] == {"text": "", "continuation": None}
    assert run_predict(monkeypatch, capsys, "generation", "--variant", "aligned")[1] == answers


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["sentiment", "--variant", "pruend"], "'pruend'. Did you mean 'pruned'?"),
        (
            ["sentiment", "--variant", "pruned"],
            "models/sentiment/pruned is missing: run `dvc repro`",
        ),
        (
            ["sentiment", "--variant", "aligned"],
            "is missing, and no stage writes it: `methods` and",
        ),
        (["generation", "--variant", "reward"], "models/generation/reward makes no predictions"),
        (["intent", "--variant", "pretrained"], "models/intent/pretrained makes no predictions"),
        (["sentimnt"], "unknown task 'sentimnt'"),
    ],
)
def test_a_mistake_is_reported_in_one_line(
    arguments: list[str],
    line: str,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, answers, err = run_predict(monkeypatch, capsys, *arguments)
    assert code == 2 and not answers and line in err and err.count("\n") == 1


def test_the_answer_to_an_empty_line_has_the_keys_of_any_answer() -> None:
    answer = {"label": "HassTurnOn", "spans": [[12, 19, "area"]]}
    assert predict.empty_answer(answer) == {"label": None, "spans": []}


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_how_to_give_input(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO(b"A gem.\n")))
    assert cli.main(["predict", "sentiment"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["text"] == "A gem."
    assert err == "Loading models/sentiment/base. Type one text per line; Ctrl-D ends the input.\n"


def test_an_answer_comes_before_the_next_line_and_other_encodings_are_reported(
    project: Path,
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tandem.cli", "predict", "sentiment"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert process.stdin and process.stdout and process.stderr
    for text in ("Go see it.", "Größer."):
        process.stdin.write(f"{text}\n".encode())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == text
    process.stdin.write("Größer.\n".encode("latin-1"))
    process.stdin.close()
    assert process.wait(timeout=60) == 2
    error = process.stderr.read().decode()
    assert "standard input is not UTF-8" in error and error.count("\n") == 1


def test_the_examples_of_the_readme_follow_the_schema() -> None:
    """The examples include answers from every kind of model."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line for line in readme.splitlines() if line.startswith('{"text"')]
    keys = {key for line in lines for key in schemas.valid("predict", line)}
    assert keys == {"text", "label", "spans", "target", "continuation"}
    schemas.valid("predict", '{"text": "", "label": null, "spans": []}')
    for wrong in ('{"text": "a"}', '{"text": "a", "label": "b", "target": "c"}'):
        with pytest.raises(jsonschema.ValidationError):
            schemas.valid("predict", wrong)


def test_every_task_has_a_blank_row() -> None:
    for name in params.project(params.read(ROOT / paths.PARAMS)).tasks:
        assert predict.blank_row(tasks.load(name), "a text").text == "a text"
