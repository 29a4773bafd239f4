"""A small project with records that `record_run` wrote for small files, in one Git commit."""

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

from tandem.core import io, params, paths, provenance
from tandem.core.provenance import StageSpec
from tandem.core.rows import Dropped, Span, write_rows
from tandem.engines import code_closure, dvc_stages
from tandem.tasks.intent import IntentRow

ROOT = Path(__file__).parents[2]
COPIED = (
    "dvc.yaml",
    "params.yaml",
    "requirements.lock",
    ".dvcignore",
    ".gitignore",
    "LICENSE",
    "README.md",
)
COMMITTED = "2026-01-02T03:04:05+00:00"
ROWS = [
    IntentRow(
        id=f"en/HassTurnOn/{index}",
        group="en/HassTurnOn",
        domain="homeassistant",
        text="switch the kitchen lights on",
        label="HassTurnOn",
        spans=(Span(start=11, end=18, label="area"),),
        holdout="test" if index else None,
    )
    for index in range(3)
]
SCORES = {
    "accuracy": {"high": 0.97, "low": 0.9, "n": 3, "seed": 13, "value": 0.94},
    "accuracy/light": {"high": 0.9, "low": 0.7, "n": 2, "seed": 13, "value": 0.8},
    "parameters": 12,
    "weights_sha256": "0" * 64,
}


def _split(folder: Path) -> None:
    for name in paths.SPLITS:
        write_rows(folder / f"{name}.parquet", ROWS, IntentRow)
    dropped = [Dropped(id="x", reason="leak", text="switch it on")]
    write_rows(folder / paths.DROPPED, dropped, Dropped)


def _model(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(folder.parent.name.encode() * 9)
    (folder / "config.json").write_text("{}")


def _rows(folder: Path) -> None:
    write_rows(folder / paths.ROWS, ROWS, IntentRow)


# Stage → inputs, params, and each output with the function that writes it.
STAGES: dict[str, tuple[list[str], list[str], dict[str, Callable[[Path], object]]]] = {
    "fetch": (
        [],
        ["intent.fetch"],
        {
            "data/raw/intent": _rows,
            "reports/details/fetch/intent.json": lambda path: io.write_details(path, {"rows": 3}),
        },
    ),
    "fetch-model": ([], ["intent.fetch_model"], {"models/intent/pretrained": _model}),
    "clean": (["data/raw/intent"], ["intent.clean"], {"data/clean/intent": _rows}),
    "split": (["data/clean/intent"], ["intent.split"], {"data/split/intent": _split}),
    "train": (
        ["data/split/intent", "models/intent/pretrained"],
        ["intent.train", "runtime"],
        {"models/intent/base": _model},
    ),
    "evaluate": (
        ["data/split/intent", "models/intent/base"],
        ["intent.evaluate", "runtime"],
        {"reports/details/evaluate/intent-base.json": lambda path: io.write_details(path, SCORES)},
    ),
    "report": (
        ["reports/details"],
        ["tasks"],
        {"reports/summary.json": lambda path: io.write_json(path, [])},
    ),
}


def _run(name: str) -> None:
    """Run a stage: write its outputs and its record."""
    deps, keys, outs = STAGES[name]
    for_all_tasks = name == "report"
    rest = f"{name}.json" if for_all_tasks else f"{name}/intent.json"
    record = paths.RECORDS / rest
    stage = StageSpec(
        name=name if for_all_tasks else f"{name}@intent",
        command=f"tandem {name}" if for_all_tasks else f"tandem {name} intent",
        deps=tuple(sorted([*deps, f"workflow/code/{rest}", "src/tandem/tasks/intent.py"])),
        params=tuple(keys),
        outs=tuple(sorted([*outs, str(record)])),
        in_git=(str(record),),
    )
    with provenance.record_run(stage, provenance.imported_modules()):
        for out, fill in outs.items():
            with io.atomic_outputs(Path(out)) as (partial,):
                fill(partial)


def git(*arguments: str) -> str:
    """The output of a Git command; commits have a fixed author and time."""
    identity = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
           for key, value in (("NAME", "a"), ("EMAIL", "a@b.c"), ("DATE", COMMITTED))}  # fmt: skip
    command = ["git", *arguments]
    process = subprocess.run(
        command, env=os.environ | identity, capture_output=True, text=True, check=True
    )
    return process.stdout


def make(root: Path) -> None:
    """Write the project into `root`: the files of a clone, and the outputs of each stage."""
    for name in COPIED:
        shutil.copyfile(ROOT / name, root / name)
    # Without the sections of other tasks, params.yaml is read faster.
    content = params.read(ROOT / "params.yaml")
    sections = {key: content[key] for key in ("runtime", "methods", "intent")}
    io.write_json(root / "params.yaml", sections | {"tasks": ["intent"], "preferences": {}})
    (root / "src/tandem/tasks").mkdir(parents=True)
    shutil.copyfile(ROOT / "src/tandem/tasks/intent.py", root / "src/tandem/tasks/intent.py")
    for path, code in code_closure.of_stages(dvc_stages.stages(ROOT), ROOT).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        io.write_json(root / path, code.model_dump())
    (root / "dvc.lock").write_text("schema: '2.0'\n")
    with chdir(root):
        for name in STAGES:
            _run(name)
        git("init", "--quiet")
        git("add", ".")
        git("commit", "--quiet", "--message", "Run")
