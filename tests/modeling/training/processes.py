"""Functions that the processes of test_distributed.py import by name and run."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from modeling.training.test_trainer import TRAINING, collate, cross_entropy, examples, network
from safetensors.torch import save_file
from torch import Tensor
from torch import distributed as torch_distributed

from tandem.core.errors import DataError
from tandem.core.io import write_json
from tandem.core.params import Runtime
from tandem.core.training_params import TrainingParams
from tandem.modeling.training import distributed
from tandem.modeling.training.trainer import fit

RUNTIME = Runtime(seed=7, threads=1, isa="avx2", device="cpu", processes=2)


def train(folder: Path, changes: dict[str, Any]) -> None:
    """Fit a small network; write its weights, its history and the rows it was trained on."""
    torch.set_num_threads(1)
    seen: list[int] = []
    rows = [row | {"number": number} for number, row in enumerate(examples(96, 1))]

    def collate_numbered(batch: list[dict[str, Any]]) -> dict[str, Tensor]:
        result = collate(batch)
        return result | {"number": torch.tensor([row.get("number", -1) for row in batch])}

    def loss(net: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        if net.training:
            seen.extend(batch["number"].tolist())
        return cross_entropy(net, batch, smoothing)

    net = network()
    training = TrainingParams(**(TRAINING | changes))
    history = fit(net, loss, rows, examples(32, 2), collate_numbered, training, RUNTIME)
    rank = torch_distributed.get_rank() if torch_distributed.is_initialized() else 0
    assert distributed.is_main_process() == (rank == 0)
    save_file(net.state_dict(), folder / f"{rank}.safetensors")
    write_json(folder / f"{rank}.json", {"history": history, "seen": seen})


def raise_error() -> None:
    raise DataError("row 7 is invalid")


def die() -> None:
    """Kill the second process; the first one waits for it."""
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    torch_distributed.init_process_group("gloo")
    sys.exit("no other process joined")
