"""A replacement for `tandem` in tests of the engines, with the same DAG but instant stages.

The content of each declared output depends on the bytes of the declared inputs and on the values of
the declared params, so whatever would change a real output also changes its replacement. Only the
stage `code` is real, because the others depend on the files that it writes.

    standin.py DECLARED.json STAGE [TASK …]

The executed stages are listed in executed.log, in the same folder as DECLARED.json.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from ruamel.yaml import YAML


def main() -> None:
    declared, *command = sys.argv[1:]
    with Path(declared).with_name("executed.log").open("a") as log:
        log.write(f"{os.environ['DVC_STAGE']}\n")
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
    below = sorted(file for file in path.rglob("*") if file.is_file())
    return [file for file in below if "__pycache__" not in file.parts and file.name[0] != "."]


if __name__ == "__main__":
    main()
