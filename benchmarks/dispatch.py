#!/usr/bin/env python3
"""Benchmark MKL's code paths for Intel and Zen CPUs on this CPU; decision 0007 lists the results.

    python benchmarks/dispatch.py

Each repetition with each code path (dispatch) runs in its own process, because MKL selects its code
path once per process. The shortest time of all repetitions is used, because background load only
adds time. The speed of matrix products is reported in GFLOP/s. The duration of training steps
(forward and backward through two blocks of each default architecture) is reported in milliseconds
of CPU time.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from tandem.core import determinism
from tandem.core.params import Runtime
from tandem.patches import mkl

REPEATS = 4
SECONDS = 0.4
SHAPES = {
    "MiniLM feed-forward": (512, 384, 1536),
    "MiniLM attention, odd rows": (337, 384, 384),
    "SmolLM2 feed-forward": (96, 576, 1536),
    "SmolLM2 keys": (97, 576, 192),
    "SmolLM2 one token": (1, 576, 1536),
    "Marian feed-forward": (300, 256, 1024),
    "classifier": (33, 384, 3),
}
"""Name → rows, inner dimension and columns of a matrix product in the default run."""


def main() -> None:
    """Measure the code paths for Intel and Zen alternately, and print the results as a table."""
    runs_of: dict[str, list[dict[str, float]]] = {dispatch: [] for dispatch in mkl.ANSWERS}
    for _ in range(REPEATS):
        for dispatch in runs_of:
            command = [sys.executable, __file__, dispatch]
            runs_of[dispatch].append(json.loads(subprocess.check_output(command)))
    print(f"{'':32} {'intel':>9} {'zen':>9} {'intel/zen':>10}")
    for name in runs_of["intel"][0]:
        seconds = {d: min(run[name] for run in runs) for d, runs in runs_of.items()}
        work = 2e-9 * product(SHAPES[name]) if name in SHAPES else 0
        shown = {d: work / s if work else s * 1e3 for d, s in seconds.items()}
        unit = "GFLOP/s" if work else "ms"
        print(
            f"{name:24} {unit:>7} {shown['intel']:9.2f} {shown['zen']:9.2f}"
            f" {seconds['zen'] / seconds['intel']:10.2f}"
        )


def product(shape: tuple[int, int, int]) -> int:
    """The number of multiplications in a matrix product of this shape."""
    return shape[0] * shape[1] * shape[2]


def measure(dispatch: mkl.Dispatch) -> dict[str, float]:
    """CPU seconds of each matrix product, and of a training step of each architecture."""
    determinism.pin_environment(Runtime(seed=1, threads=1, isa="avx2", device="cpu"))
    mkl.set_dispatch(dispatch)
    import torch
    from torch.nn.functional import linear

    torch.set_num_threads(1)
    torch.manual_seed(1)
    seconds = {}
    with torch.no_grad():
        for name, (rows, inner, columns) in SHAPES.items():
            inputs, weight = torch.randn(rows, inner), torch.randn(columns, inner)
            seconds[name] = best(lambda x=inputs, w=weight: linear(x, w))
    for name, (network, batch) in networks().items():
        seconds[f"{name} step"] = best(lambda n=network, b=batch: n(**b).loss.backward())
    return seconds


def networks() -> dict[str, Any]:
    """Each default architecture, with its full width but only two blocks, and a batch of inputs."""
    import torch
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        LlamaConfig,
        LlamaForCausalLM,
        MarianConfig,
        MarianMTModel,
    )  # fmt: skip

    ids = (torch.arange(16 * 27) * 31 % 1999 + 1).reshape(16, 27)
    common = {"vocab_size": 2000}
    bert = BertConfig(hidden_size=384, num_hidden_layers=2, num_attention_heads=12,
                      intermediate_size=1536, num_labels=3, **common)  # fmt: skip
    llama = LlamaConfig(hidden_size=576, num_hidden_layers=2, num_attention_heads=9,
                        num_key_value_heads=3, intermediate_size=1536, **common)  # fmt: skip
    marian = MarianConfig(
        d_model=256, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=1024, decoder_ffn_dim=1024, pad_token_id=0,
        eos_token_id=1, decoder_start_token_id=0, forced_eos_token_id=1, **common,
    )  # fmt: skip
    return {
        "MiniLM": (BertForSequenceClassification(bert),
                   {"input_ids": ids, "labels": torch.arange(16) % 3}),
        "SmolLM2": (LlamaForCausalLM(llama), {"input_ids": ids, "labels": ids}),
        "Marian": (MarianMTModel(marian), {"input_ids": ids, "labels": ids}),
    }  # fmt: skip


def best(work: Callable[[], object]) -> float:
    """The minimum CPU seconds per call; calls are repeated for `SECONDS` seconds."""
    work()
    minimum, end = float("inf"), time.process_time() + SECONDS
    while time.process_time() < end:
        started, calls = time.process_time(), 0
        while time.process_time() - started < SECONDS / 20:
            work()
            calls += 1
        minimum = min(minimum, (time.process_time() - started) / calls)
    return minimum


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure("zen" if sys.argv[1] == "zen" else "intel")))
    else:
        main()
