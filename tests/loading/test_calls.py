"""Only `tandem.loading` loads models and datasets, and only `tandem.core.io` writes files."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.loading import pretrained

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])
NAMES = [str(path.relative_to(ROOT)) for path in FILES]

LOADS = {
    "from_pretrained", "from_config", "_from_config", "from_single_file",
    "load_dataset", "load_dataset_builder", "load_from_disk",
    "load_file", "safe_open", "load_safetensors", "load_checkpoint_and_dispatch",
    "get_kernel", "get_class_from_dynamic_module", "load_custom_generate",
}  # fmt: skip
LOADING = ("src/tandem/loading/",)
DOWNLOADS = {"snapshot_download", "hf_hub_download", "cached_file", "urlopen", "urlretrieve"}
DOWNLOADING = ("src/tandem/pretrained/hub.py",)
UNSAFE_MODULES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml",
}  # fmt: skip
LIBRARY_LOADS = {"torch", "numpy", "np", "joblib", "pickle", "marshal", "safetensors"}

WRITES = {
    "write_text", "write_bytes", "extract", "extractall", "symlink_to", "hardlink_to", "tofile",
}  # fmt: skip
WRITING = ("src/tandem/core/io.py",)
# Code that writes the engines' state, under fixed names in fixed folders, but no stage's artifacts.
STATE = (
    "src/tandem/engines/",
    "src/tandem/workspace/",
    "src/tandem/patches/dvc.py",
    "benchmarks/",
)
SAVES = {"save_pretrained", "save_file", "write_table", "savefig"}
# Modules that let a library write files, to a path from `io.atomic_outputs`.
SAVING = {
    "src/tandem/compression/common/stored_layers.py",
    "src/tandem/compression/onnx.py",
    "src/tandem/core/rows.py",
    "src/tandem/metrics/common/predictions.py",
    "src/tandem/modeling/base.py",
    "src/tandem/preferences/reward_model.py",
    "src/tandem/pretrained/common/gguf.py",
    "src/tandem/pretrained/scratch.py",
}


def called(node: ast.Call) -> tuple[str, str]:
    """Return the parts of a called name before and after its last dot."""
    if isinstance(node.func, ast.Attribute):
        return ast.unparse(node.func.value), node.func.attr
    return "", node.func.id if isinstance(node.func, ast.Name) else ""


def loads(tree: ast.AST) -> Iterator[str]:
    """Yield calls and imports that load a model, a dataset or tensors."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            before, name = called(node)
            texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
            if name in LOADS or (name in ("getattr", "attrgetter") and LOADS & {*map(str, texts)}):
                yield ast.unparse(node)
            if before.split(".")[0] in LIBRARY_LOADS and name in ("load", "loads", "deserialize"):
                yield ast.unparse(node)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("safetensors"):
            yield from (a.name for a in node.names if a.name != "save_file")
        if isinstance(node, ast.ImportFrom | ast.Import):
            yield from (a.name for a in node.names if a.name in LOADS | {"safetensors"})


def downloads(tree: ast.AST) -> Iterator[str]:
    """Yield calls that download a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node)[1] in DOWNLOADS:
            yield ast.unparse(node)


def runs_code(tree: ast.AST) -> Iterator[str]:
    """Yield calls and imports that can execute untrusted code; even `loading` may not use them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in UNSAFE_MODULES)
        if isinstance(node, ast.ImportFrom):
            yield from [node.module or ""] * ((node.module or "").split(".")[0] in UNSAFE_MODULES)
        if isinstance(node, ast.Call):
            before, name = called(node)
            if (before, name) in {("", "eval"), ("", "exec"), ("torch", "load")}:
                yield ast.unparse(node)
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                is_unsafe = {
                    "trust_remote_code": value is not False,
                    "allow_pickle": value is not False,
                    "typ": name == "YAML" and value not in ("safe", "rt"),
                    "shell": value is not False,
                }
                if is_unsafe.get(keyword.arg or ""):
                    yield ast.unparse(node)


def writes(tree: ast.AST) -> Iterator[str]:
    """Yield calls that write files, except calls of functions in `io`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        before, name = called(node)
        if name in WRITES and not (before == "io" or (not before and name.startswith("write_"))):
            yield ast.unparse(node)
        if before == "shutil" and name not in ("rmtree", "which", "disk_usage"):
            yield ast.unparse(node)
        if before == "os" and name in ("open", "fdopen", "link", "symlink", "rename", "replace"):
            yield from [ast.unparse(node)] * ("os.devnull" not in ast.unparse(node))
        if name == "open":
            position = 0 if before else 1
            modes = [*node.args[position : position + 1]]
            modes += [k.value for k in node.keywords if k.arg == "mode"]
            texts = [m.value for m in modes if isinstance(m, ast.Constant)]
            if any(set(str(text)) & set("wax+") and len(str(text)) <= 3 for text in texts):
                yield ast.unparse(node)
        if name in ("move_tree", "copy_tree", "make_archive", "NamedTemporaryFile", "mkstemp"):
            yield from [ast.unparse(node)] * (before != "io")


def saves(tree: ast.AST) -> Iterator[str]:
    """Yield calls of library functions that save files, such as `save_pretrained`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node)[1] in SAVES:
            yield ast.unparse(node)


@pytest.mark.parametrize("name", NAMES)
def test_only_allowed_modules_load_download_and_write(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text())
    calls = [*runs_code(tree)]
    calls += [] if name.startswith(LOADING) else [*loads(tree)]
    calls += [] if name.startswith(DOWNLOADING) else [*downloads(tree)]
    calls += [] if name.startswith((*WRITING, *STATE)) else [*writes(tree)]
    calls += [] if name in SAVING else [*saves(tree)]
    assert not calls, f"{name}: use tandem.loading or tandem.core.io instead of: {calls}"


def test_the_lists_of_modules_are_up_to_date() -> None:
    for listed in (*SAVING, *WRITING, *DOWNLOADING):
        tree = ast.parse((ROOT / listed).read_text())
        assert [*saves(tree), *writes(tree), *downloads(tree)], listed


def test_every_call_loads_locally_and_without_code() -> None:
    assert pretrained.LOCAL == {"local_files_only": True, "trust_remote_code": False}
    tree = ast.parse(Path(pretrained.__file__).read_text())
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    loading = [call for call in calls if called(call)[1] == "from_pretrained"]
    assert len(loading) >= 6
    for call in loading:
        text = ast.unparse(call)
        assert "**LOCAL" in text or "**arguments" in text or "local_files_only=True" in text
    networks = [ast.unparse(c) for c in loading if ast.unparse(c).startswith("auto.from_")]
    assert any("use_safetensors=True" in call for call in networks)


@pytest.mark.parametrize(
    ("check", "code"),
    [
        (loads, "AutoModel.from_pretrained(folder)"),
        (loads, "getattr(auto, 'from_pretrained')(folder)"),
        (loads, "AutoModel.from_config(config)"),
        (loads, "from datasets import load_dataset as read"),
        (loads, "datasets.load_from_disk(path)"),
        (loads, "from safetensors.torch import load_file"),
        (loads, "from safetensors import safe_open"),
        (loads, "import safetensors"),
        (loads, "torch.load(path)"),
        (loads, "np.load(path)"),
        (downloads, "huggingface_hub.snapshot_download(name)"),
        (runs_code, "import pickle"),
        (runs_code, "from joblib import load"),
        (runs_code, "import yaml"),
        (runs_code, "YAML(typ='unsafe')"),
        (runs_code, "np.load(path, allow_pickle=True)"),
        (runs_code, "AutoModel.from_pretrained(folder, trust_remote_code=True)"),
        (runs_code, "eval(text)"),
        (writes, "archive.extractall(folder)"),
        (writes, "archive.extract(name, folder)"),
        (writes, "shutil.copyfileobj(source, target)"),
        (writes, "shutil.copytree(source, target)"),
        (writes, "path.open('wb')"),
        (writes, "open(path, mode='a')"),
        (writes, "open(path, 'r+')"),
        (writes, "path.write_text(text)"),
        (writes, "os.rename(a, b)"),
        (writes, "link.symlink_to(target)"),
        (saves, "network.save_pretrained(folder)"),
    ],
)  # fmt: skip
def test_the_checks_find_calls_and_imports(check: object, code: str) -> None:
    assert callable(check) and list(check(ast.parse(code)))
