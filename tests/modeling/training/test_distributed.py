"""Two processes train one model: they split the rows of each epoch and end with equal weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from modeling.training import processes
from safetensors.torch import load_file

from tandem.core.errors import DataError, StageError, TandemError
from tandem.core.io import read_json
from tandem.modeling.training import distributed


def read_results(folder: Path) -> list[dict[str, Any]]:
    return [
        read_json(path) | {"weights": load_file(path.with_suffix(".safetensors"))}
        for path in sorted(folder.glob("*.json"))
    ]


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    # 96 rows in batches of 8: an epoch is 12 batches, or 6 steps of two processes
    changes = {"max_steps": 12, "eval_steps": 6, "learning_rate": 3e-3, "dropout": 0.1}
    distributed.launch(processes.train, 2, tmp_path, changes)
    first, second = read_results(tmp_path)
    assert all(torch.equal(first["weights"][n], second["weights"][n]) for n in first["weights"])
    assert first["history"] == second["history"]
    assert first["history"][-1]["train_loss"] < first["history"][0]["train_loss"]
    for epoch in (slice(0, 48), slice(48, 96)):
        assert sorted(first["seen"][epoch] + second["seen"][epoch]) == list(range(96))
    assert first["seen"][:48] != first["seen"][48:]


def test_one_process_runs_in_this_one(tmp_path: Path) -> None:
    distributed.launch(processes.train, 1, tmp_path, {"max_steps": 1})
    assert [path.name for path in tmp_path.glob("*.json")] == ["0.json"]
    with pytest.raises(DataError, match="row 7"):
        distributed.launch(processes.raise_error, 1)


@pytest.mark.slow
def test_an_error_is_reported_as_by_one_process() -> None:
    with pytest.raises(TandemError, match=r"^row 7 is invalid$"):
        distributed.launch(processes.raise_error, 2)


@pytest.mark.slow
def test_a_dead_process_stops_all_and_is_reported_in_one_line() -> None:
    with pytest.raises(StageError, match="of 2 died, and the others were stopped") as caught:
        distributed.launch(processes.die, 2)
    assert "\n" not in str(caught.value)
