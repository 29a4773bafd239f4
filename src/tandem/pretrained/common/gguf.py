"""Convert a GGUF file to a model folder in Hugging Face format with float32 weights.

Quantized weights are dequantized once, during the conversion, so that later stages load them
quickly and can train them.
"""

from pathlib import Path
from typing import Any

# transformers imports gguf; this import only makes the stage depend on the version of gguf.
import gguf  # noqa: F401
import torch
from transformers.utils import logging

from tandem.core.params import Runtime
from tandem.loading import pretrained
from tandem.modeling.seeding import make_torch_deterministic
from tandem.pretrained.common.model_files import sanitize_configs


def convert(file: Path, folder: Path, runtime: Runtime, num_hidden_layers: int | None) -> None:
    """Write the causal language model in `file`, and its tokenizer, into `folder`.

    Args:
        file: The GGUF file.
        folder: An existing folder.
        runtime: The settings that make torch deterministic.
        num_hidden_layers: Number of layers to keep, starting with the first; None keeps all.
    """
    make_torch_deterministic(runtime)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    network, tokenizer = pretrained.gguf(file, torch.float32)
    model: Any = network
    # transformers still considers the model quantized, and would refuse to save it.
    model.hf_quantizer = None
    model.is_quantized = False
    del model.config.quantization_config
    if num_hidden_layers is not None:
        model.model.layers = model.model.layers[:num_hidden_layers]
        model.config.num_hidden_layers = num_hidden_layers
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    sanitize_configs(folder)
