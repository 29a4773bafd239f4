"""A GGUF file as a folder in Hugging Face form, with float32 weights.

Quantised weights are expanded once here, so that later stages load in a moment and can train.
"""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from tandem.core.params import Runtime
from tandem.pins import pin_torch
from tandem.weights._files import clean


def convert(file: Path, folder: Path, runtime: Runtime, blocks: int | None) -> None:
    """Write the causal language model in `file`, and its tokenizer, into `folder`.

    `blocks` leaves the first so many of its blocks; None leaves all.
    """
    pin_torch(runtime)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32
    )
    # transformers holds the model for quantised still, and would refuse to save it.
    model.hf_quantizer = None
    model.is_quantized = False
    del model.config.quantization_config
    if blocks is not None:
        model.model.layers = model.model.layers[:blocks]
        model.config.num_hidden_layers = blocks
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
    clean(folder)
