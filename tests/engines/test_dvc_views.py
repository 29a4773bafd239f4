"""What users get from `dvc metrics show`, `dvc plots show`, `dvc exp show` and `dvc artifacts get`.

The commands for metrics and plots run on the project's own dvc.yaml with made-up outputs; the other
commands run on small projects.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from engines import made_up
from engines.workspace import BIN, ROOT, Workspace

from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.engines import dvc_stages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
WIDTH = 120
ENV = {
    "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
    "PYTHONPATH": str(ROOT / "src"),
    "DVC_NO_ANALYTICS": "1",
    "COLUMNS": str(WIDTH),
}
LOSSES = "step,train_loss,validation_loss,learning_rate\n50,1.0,0.9,1e-05\n100,0.7,0.8,0.0\n"
SCORE = {"value": 0.71234, "low": 0.7, "high": 0.73, "n": 9, "seed": 13}


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The project's dvc.yaml, with made-up files for its metrics and plots."""
    root = tmp_path_factory.mktemp("scored")
    workspace = Workspace(root, os.environ | ENV | {"DVC_SITE_CACHE_DIR": str(root / ".site")})
    workspace.run("git", "init", "--quiet")
    workspace.run("dvc", "init", "--quiet")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, root)
    shutil.copy(ROOT / ".dvc/config", root / ".dvc")
    shutil.copytree(ROOT / ".dvc/plots", root / ".dvc/plots")
    for stage in dvc_stages.stages(root):
        for out in map(Path, stage.outs):
            if out.suffix in (".json", ".csv") and out.is_relative_to("reports"):
                (root / out).parent.mkdir(parents=True, exist_ok=True)
                fill(root, out)
    return workspace


def fill(root: Path, out: Path) -> None:
    """Write made-up content to `out`, in the format that the real stage writes."""
    if out.is_relative_to(paths.METRICS):
        task = tasks.load(out.parent.name)
        io.write_json(root / out, dict.fromkeys(task.metrics[:2], 0.71234))
    elif out.suffix == ".csv":
        labelled = re.match(r"(sentiment|intent)-", out.name)
        rows = "positive,neutral\npositive,positive\n" if labelled else ""
        labels = "label,predicted\n" + rows
        (root / out).write_text(labels if out.parent.name == "evaluate" else LOSSES)
    elif out.name == "summary.json":
        scores = [
            {"task": "sentiment", "variant": variant, "metric": "accuracy", **SCORE}
            for variant in ("base", "baseline/vader", "human")
        ]
        io.write_json(root / out, scores)
    else:
        io.write_details(root / out, {"accuracy": SCORE, "parts": [], "sources": [{"size": 3}]})


def test_the_table_of_metrics_has_main_scores_only_and_fits_a_terminal(scored: Workspace) -> None:
    lines = scored.run("dvc", "metrics", "show").stdout.splitlines()
    assert max(map(len, lines)) <= WIDTH
    project = params.project(params.read(ROOT / paths.PARAMS))
    assert {line.split()[0] for line in lines[1:]} == {
        str(paths.metrics(task, variant))
        for task in project.tasks
        for variant in (
            "base", *project.methods, *(["aligned"] if task in project.preferences else [])
        )
    }  # fmt: skip
    assert all("0.71234" in line for line in lines[1:])
    assert lines[0].split() == [
        "Path", "accuracy", "bits_per_byte", "bleu", "chrf", "macro_f1", "span_f1",
    ]  # fmt: skip


def test_plots_are_losses_labels_and_scores_in_plain_words(scored: Workspace) -> None:
    done = scored.run("dvc", "plots", "show")
    assert done.stderr == ""
    page = (scored.path / "dvc_plots/index.html").read_text()
    specs = [json.loads(text) for text in re.findall(r"var spec = (\{.*\});", page)]
    drawn = {spec["title"]["text"]: spec for spec in specs if spec}
    assert {
        "Loss, sentiment",
        "Loss, alignment of generation",
        "Predicted and true labels, intent base",
        "Predicted and true labels, sentiment int8",
        "Scores on the test rows, with 95 % intervals",
    } <= {*drawn}
    assert not [title for title in drawn if re.search("labels, (translation|generation)", title)]
    for title, spec in drawn.items():
        text = json.dumps(spec)
        assert "DVC_METRIC" not in text, title
        assert {"Training step", "Predicted label", "Score"} & {*re.findall(r'"([^"]+)"', text)}
    assert "sources" not in page, "of records and details nothing is in the page"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_the_page_of_plots_is_drawn_without_a_network(scored: Workspace) -> None:
    scored.run("dvc", "plots", "show")
    (scored.path / ".venv").symlink_to(BIN.parent)
    page = scored.path / "dvc_plots/index.html"
    done = scored.run(
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=20000", "--dump-dom",
        page.as_uri(),
    )  # fmt: skip
    specs = re.findall(r"var spec = (\{.+\});", page.read_text())
    assert done.stdout.count("<canvas") == len(specs) > 10


STAGE = (
    "import sys; from pathlib import Path; from tandem.core import io;"
    "rate = Path('rate').read_text();"
    "Path('reports').mkdir(exist_ok=True);"
    "io.write_details(Path('reports/record.json'), {'rate': rate});"
    "io.write_json(Path('reports/base.json'), {'accuracy': 0.5});"
    "Path('reports/labels.csv').write_text('label,predicted\\n');"
    "Path('model').write_text(rate)"
)


def test_a_stage_with_details_and_plots_is_restored_from_the_run_cache(tmp_path: Path) -> None:
    stage = made_up.stage(f'python -c "{STAGE}"', ["rate"], ["model"]) | {
        "metrics": [{"reports/base.json": {"cache": False}}],
        "plots": [{"reports/record.json": {"cache": False}}, "reports/labels.csv"],
    }
    workspace = made_up.make(tmp_path / "project", {"train": stage}, rate="1")
    outputs = ("model", "reports/record.json", "reports/labels.csv")
    workspace.repro()
    first = [(workspace.path / name).read_bytes() for name in outputs]
    (workspace.path / "rate").write_text("2")
    workspace.repro()
    assert made_up.executed(workspace) == ["train", "train"]
    (workspace.path / "rate").write_text("1")
    workspace.repro()
    assert made_up.executed(workspace) == []
    assert [(workspace.path / name).read_bytes() for name in outputs] == first


GIT = ("-c", "user.name=test", "-c", "user.email=test@example.org")
TRIED = (
    "import json; from tandem.core import params; "
    "r = params.read()['sentiment']['train']['learning_rate']; "
)
WRITES = (
    "import os; "
    "[os.makedirs(f'reports/metrics/{t}', exist_ok=True) for t in ('sentiment', 'intent')]; "
    "[json.dump({m: 0.7 + (r if t == 'sentiment' and v == 'base' else 0) for m in "
    "('accuracy', 'macro_f1')}, open(f'reports/metrics/{t}/{v}.json', 'w')) "
    "for t in ('sentiment', 'intent') for v in ('base', 'int8')]; "
    "os.makedirs('models/sentiment/base', exist_ok=True); "
    "json.dump(r, open('models/sentiment/base/config.json', 'w'))"
)


def test_the_documented_table_of_experiments_is_readable(tmp_path: Path) -> None:
    text = (ROOT / "docs/lineage.md").read_text()
    (command,) = re.findall(r"^dvc exp show .*$", text, flags=re.MULTILINE)
    metrics = [
        {f"reports/metrics/{task}/{variant}.json": {"cache": False}}
        for task in ("sentiment", "intent")
        for variant in ("base", "int8")
    ]
    stages = {
        "train": {
            "cmd": f'python -c "{TRIED}{WRITES}"',
            "deps": ["code.txt"],
            "params": ["sentiment.train"],
            "outs": ["models/sentiment/base"],
            "metrics": metrics,
        },
        "use": {"cmd": "echo 1 > used", "deps": ["models/sentiment/base"], "outs": ["used"]},
    }
    settings = {"train": {"learning_rate": 0.01, "max_steps": 400, "batch_size": 32}}
    values = json.dumps(made_up.PARAMS | {"sentiment": settings})
    files = {"code.txt": "", "params.yaml": values, ".gitignore": "models\nused\n"}
    workspace = made_up.make(tmp_path / "project", stages, **files)
    workspace.env.update(COLUMNS=str(WIDTH))
    workspace.run("dvc", "repro", "--quiet")
    workspace.run("git", "add", "--all")
    workspace.run("git", *GIT, "commit", "--quiet", "--message", "first")
    for rate in ("0.02", "0.03"):
        workspace.run(
            "dvc", "exp", "run", "--quiet", "--set-param", f"sentiment.train.learning_rate={rate}"
        )
    shown = workspace.run("bash", "-c", f"{command} --no-pager").stdout
    assert max(map(len, shown.splitlines())) <= WIDTH
    header = next(line for line in shown.splitlines() if "Experiment" in line)
    assert header.split() == [
        "Experiment", "Created", "reports/metrics/sentiment/base.json:accuracy",
        "sentiment.train.learning_rate",
    ]  # fmt: skip
    assert "0.73" in shown and "0.72" in shown and "…" not in shown


@pytest.fixture
def published(tmp_path: Path) -> Workspace:
    """A repository that publishes a model through a local DVC remote, and a folder for a user."""
    train = "mkdir -p models/sentiment/base && cp words models/sentiment/base/config.json"
    stages = {"train": {"cmd": train, "deps": ["words"], "outs": ["models/sentiment/base"]}}
    files = {"words": "one", ".gitignore": "/models\n/.dvc/site\n"}
    workspace = made_up.make(tmp_path / "repository", stages, **files)
    content = json.loads((workspace.path / "dvc.yaml").read_text())
    content["artifacts"] = {"sentiment": {"path": "models/sentiment/base", "type": "model"}}
    (workspace.path / "dvc.yaml").write_text(json.dumps(content))
    workspace.run("dvc", "remote", "add", "--quiet", "--default", "store", str(tmp_path / "store"))
    release(workspace)
    (tmp_path / "user").mkdir()
    return workspace


def release(workspace: Workspace) -> None:
    """Run the stages, commit, and push to the DVC remote."""
    workspace.run("dvc", "repro", "--quiet")
    workspace.run("git", "add", "--all")
    workspace.run("git", *GIT, "commit", "--quiet", "--message", "Train")
    workspace.run("dvc", "push", "--quiet")


def got(workspace: Workspace, *command: str) -> str | None:
    """The content of the model that a user gets with `command`; None if the command fails."""
    folder = workspace.path.parent / "user"
    shutil.rmtree(folder)
    folder.mkdir()
    done = subprocess.run(
        ["dvc", *command, "--out", "model"], cwd=folder, env=workspace.env, check=False,
        capture_output=True,
    )  # fmt: skip
    return None if done.returncode else (folder / "model/config.json").read_text()


@pytest.mark.parametrize("clone", [False, True])
def test_a_published_model_is_got_by_path_by_name_by_version_and_by_stage(
    published: Workspace, clone: bool
) -> None:
    for name in ("user.name", "user.email"):
        published.run("git", "config", name, "test@example.org")
    url = published.path.as_uri() if clone else str(published.path)
    assert got(published, "get", url, "models/sentiment/base") == "one"
    assert got(published, "artifacts", "get", url, "sentiment") is None  # not registered yet
    published.run("gto", "register", "sentiment", "--version", "v1.0.0")
    published.run("gto", "assign", "sentiment", "--version", "v1.0.0", "--stage", "production")
    (published.path / "words").write_text("two")
    release(published)
    assert got(published, "artifacts", "get", url, "sentiment") == "one"
    published.run("gto", "register", "sentiment", "--version", "v1.1.0")
    assert got(published, "artifacts", "get", url, "sentiment") == "two"
    assert got(published, "artifacts", "get", url, "sentiment", "--rev", "v1.0.0") == "one"
    assert got(published, "artifacts", "get", url, "sentiment", "--stage", "production") == "one"
    assert got(published, "get", url, "models/sentiment/base") == "two"
    tag = "sentiment@v1.0.0"
    assert got(published, "get", url, "models/sentiment/base", "--rev", tag) == "one"
    assert got(published, "get", url, "sentiment") is None  # `dvc get` takes no artifact name
