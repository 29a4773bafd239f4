"""The whole DAG, with its own commands on tiny params, gives the same bytes under both engines."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from engines.workspace import Workspace, clone

ENGINES = {
    "dvc repro": ["dvc", "repro", "--quiet"],
    "snakemake -c1": ["snakemake", "--cores", "1"],
    "snakemake -c4": ["snakemake", "--cores", "4"],
}
pytestmark = [pytest.mark.engines, pytest.mark.timeout(1500), pytest.mark.xdist_group("smoke")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Workspace]]:
    """A clone an engine, each with an empty cache, run from nothing; two at a time."""
    made = {}
    for engine in ENGINES:
        made[engine] = clone(tmp_path_factory.mktemp("smoke"))
        made[engine].run("tandem", "overlay", "params.smoke.yaml", "params.yaml")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda engine: made[engine].run(*ENGINES[engine]), ENGINES))
    yield made
    for workspace in made.values():
        shutil.rmtree(workspace.path, ignore_errors=True)


def test_the_same_lock_from_either_engine_at_any_parallelism(runs: dict[str, Workspace]) -> None:
    locks = {engine: workspace.lock() for engine, workspace in runs.items()}
    assert locks["dvc repro"] == locks["snakemake -c1"] == locks["snakemake -c4"]
    assert '"train@sentiment"' in locks["dvc repro"]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_other_engine_has_nothing_to_do(engine: str, runs: dict[str, Workspace]) -> None:
    assert runs[engine].changed() == set()
    assert runs[engine].planned() == set()


def test_no_artifact_names_this_machine_or_is_a_pickle(runs: dict[str, Workspace]) -> None:
    root = runs["snakemake -c4"].path
    for folder in ("data", "models", "reports"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file():
                assert str(root).encode() not in path.read_bytes(), path
                assert path.suffix not in {".pkl", ".pt", ".bin", ".joblib", ".pickle"}, path
