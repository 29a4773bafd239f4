"""A GGUF file as a folder in Hugging Face form, with float32 weights.

Quantised weights are expanded once here, so that later stages load in a moment and can train.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers.utils import logging

from tandem.core.params import Runtime
from tandem.loading import pretrained
from tandem.modeling.seeding import make_torch_deterministic
from tandem.pretrained.common.model_files import sanitize_configs


def convert(file: Path, folder: Path, runtime: Runtime, blocks: int | None) -> None:
    """Write the causal language model in `file`, and its tokenizer, into `folder`.

    `blocks` leaves the first so many of its blocks; None leaves all.
    """
    make_torch_deterministic(runtime)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with _remembered():
        network, tokenizer = pretrained.gguf(file, torch.float32)
    model: Any = network
    # transformers holds the model for quantised still, and would refuse to save it.
    model.hf_quantizer = None
    model.is_quantized = False
    del model.config.quantization_config
    if blocks is not None:
        model.model.layers = model.model.layers[:blocks]
        model.config.num_hidden_layers = blocks
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    sanitize_configs(folder)


@contextmanager
def _remembered() -> Iterator[None]:
    """Have gguf read a file once, and map a family's names once.

    transformers reads each file three times, five seconds for a vocabulary of 49,152, and maps the
    names anew for each module: two thirds of the time of a conversion.
    """
    slow = {name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")}
    fast = {"GGUFReader": _Reader, "get_tensor_name_map": gguf.get_tensor_name_map}
    try:
        for name, made in fast.items():
            setattr(gguf, name, cache(made))
        yield
    finally:
        for name, made in slow.items():
            setattr(gguf, name, made)


class _Reader(gguf.GGUFReader):  # type: ignore[misc]
    """A reader that takes its file for a plain array: a slice of a memmap costs ten times one."""

    data: np.ndarray[Any, Any]

    def _build_fields(self, offs: int, count: int) -> int:
        self.data = self.data.view(np.ndarray)
        found: int = super()._build_fields(offs, count)
        return found
