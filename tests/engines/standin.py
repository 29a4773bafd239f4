"""Stands in for `tandem` where a test is about the engines: the same DAG, each stage instant.

The stage `code` is the real one, since the others depend on the files that it writes.

Writes each declared output of a stage from the bytes of its declared inputs and the values of
its declared params, so that whatever would change a real artifact changes this one too.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from ruamel.yaml import YAML


def main() -> None:
    declared, *command = sys.argv[1:]
    if command == ["code"]:
        os.execv(sys.executable, [sys.executable, "-m", "tandem", "code"])  # noqa: S606
    stage = json.loads(Path(declared).read_text())["tandem " + " ".join(command)]
    digest = hashlib.sha256()
    for dep in stage["deps"]:
        for file in files(Path(dep)):
            digest.update(str(file).encode() + file.read_bytes())
    params = YAML(typ="safe").load(Path("params.yaml").read_text())
    for key in stage["params"]:
        value = params
        for part in key.split("."):
            value = value[part]
        digest.update(f"{key}={json.dumps(value, sort_keys=True)}".encode())
    for out in map(Path, stage["outs"]):
        text = json.dumps(
            {"digest": hashlib.sha256(digest.digest() + str(out).encode()).hexdigest()}
        )
        if not out.suffix:
            out.mkdir(parents=True, exist_ok=True)
            out = out / "content.json"
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("step,validation_loss\n1,1.0\n" if out.suffix == ".csv" else text)


def files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.is_file())
    return [file for file in found if "__pycache__" not in file.parts and file.name[0] != "."]


if __name__ == "__main__":
    main()
