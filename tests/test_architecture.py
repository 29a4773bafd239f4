"""The rules of the architecture hold: the contracts in pyproject.toml and the rules tested here."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tandem.core import io
from tandem.engines import code_closure

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/tandem"


def test_the_contracts_of_import_linter_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_params_of_all_tasks_are_checked_without_torch() -> None:
    code = (
        "import sys\n"
        "from tandem.core import params, params_check, params_schema\n"
        "from tandem.engines import dvc_stages\n"
        "params_check.check(params.read(), dvc_stages.sections)\n"
        "params_schema.params_schema()\n"
        "print([name for name in ('torch', 'transformers', 'sklearn') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_oldest_supported_python_can_install_the_locked_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = project["requires-python"].removeprefix(">=") + ".0"
    required = {
        name: metadata.metadata(name)["Requires-Python"]
        for name in code_closure.locked_versions(ROOT)
    }
    assert {n for n, r in required.items() if r and oldest not in SpecifierSet(r)} == set()


def test_stages_are_short() -> None:
    """A stage only loads its inputs, calls a library function and writes its outputs."""
    files = [*(ROOT / "src/tandem/stages").glob("*.py")]
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert len(files) > 15
    assert {name: lines for name, lines in lengths.items() if lines > 80} == {}


def trees(folder: Path) -> Iterator[tuple[str, ast.Module]]:
    """Path relative to src/tandem → syntax tree, for each module below a folder."""
    for path in sorted(folder.rglob("*.py")):
        yield path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def stage_names_in(tree: ast.Module) -> set[str]:
    """The stage names among the string constants of a module, except docstrings."""
    stages = set(io.parse_yaml((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    names = stages | {name.replace("-", "_") for name in stages}
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {str(node.value) for node in constants if id(node) not in docstrings} & names


SHARED_WORDS = {
    # These words are also names of folders of predictions and models, and of a split.
    "core/paths.py": {"baseline", "judge", "reward", "train"},
    # These words are also names of sections of params.yaml that list tasks.
    "core/params.py": {"augmentation_ablation"},
    "core/params_check.py": {"augmentation_ablation", "seeds"},
    "core/registry.py": {"baseline"},  # a word for the plug-ins in tandem.baselines
}
"""Strings in `tandem.core` that happen to be equal to the name of a stage."""


def test_core_knows_no_stage_names() -> None:
    names = {path: stage_names_in(tree) for path, tree in trees(SOURCE / "core")}
    assert {path: words for path, words in names.items() if words} == SHARED_WORDS


def patched_in(tree: ast.Module) -> list[str]:
    """The attributes of other packages' modules and classes that a module assigns or deletes."""
    imported = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and not is_own(node)
        for alias in node.names
    }
    targets: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            targets.append(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("setattr", "delattr"):
            targets.append(node.args[0])
    return [ast.unparse(node) for node in targets if root_name(node) in imported]


def is_own(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import statement imports from Tandem."""
    if isinstance(node, ast.ImportFrom):
        return bool(node.level) or str(node.module).partition(".")[0] == "tandem"
    return all(alias.name.partition(".")[0] == "tandem" for alias in node.names)


def root_name(node: ast.expr) -> str:
    """The first name of an expression, such as `a` of `a.b(c).d[e]`."""
    while not isinstance(node, ast.Name):
        children = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        if not children:
            return ""
        node = children[0]
    return node.id


SETTINGS = {
    "sys.argv",
    "sys.stdout",
    "sys.stderr",
    "tqdm.monitor_interval",
    "huggingface_hub.constants.HF_HUB_OFFLINE",
    "torch.backends.cudnn.benchmark",
    "torch.backends.quantized.engine",
    "torch.utils.deterministic.fill_uninitialized_memory",
}
"""Attributes that other packages document as settings; assigning a value to one is not a patch."""


def test_other_peoples_code_is_patched_in_one_package() -> None:
    found = {path: {*patched_in(tree)} - SETTINGS for path, tree in trees(SOURCE)}
    patches = {path for path, targets in found.items() if targets}
    assert {path for path in patches if not path.startswith("patches/")} == set()
    assert {"patches/dvc.py", "patches/snakemake.py"} <= patches


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.environ = {}",
        "from dvc import lock\ndef f():\n    lock.DEFAULT_TIMEOUT = 1",
        "import dvc.lock\ndel dvc.lock.Lock.lock",
        "from dvc.repo import Repo as R\nsetattr(R, name, value)",
        "import gguf\ngguf.x.y += 1",
        "import gguf\n(a, gguf.x[0].y) = b",
    ],
)
def test_a_patch_is_recognized(code: str) -> None:
    assert len(patched_in(ast.parse(code))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "from tandem.core import io\nio.BLOCK = 1",
        "import dvc\nself.dvc = dvc.repo",
        "import os\nos.environ['A'] = '1'",
        "import os\nvalue = os.environ",
    ],
)
def test_other_assignments_are_not_patches(code: str) -> None:
    assert patched_in(ast.parse(code)) == []


def test_a_clone_has_the_recorded_line_endings(tmp_path: Path) -> None:
    """core.autocrlf would convert line endings in a clone, but .gitattributes prevents it."""
    clone = tmp_path / "clone"
    options = ["--quiet", "--depth=1", "-c", "core.autocrlf=true"]
    subprocess.run(["git", "clone", *options, ROOT.as_uri(), str(clone)], check=True)
    listed = ["git", "ls-files", "--eol"]
    files = subprocess.run(listed, cwd=clone, capture_output=True, text=True, check=True).stdout
    endings = [line.split()[:2] for line in files.splitlines()]
    assert len(endings) > 400
    assert {(in_index[2:], here[2:]) for in_index, here in endings} <= {
        (kind, kind) for kind in ("lf", "none", "-text")
    }
