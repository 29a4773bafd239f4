"""Load configs, networks and tokenizers of model folders, by transformers.

Every call here is without remote code, pickles and hubs, and its folder has been checked. What
transformers still raises is one line.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import huggingface_hub.constants
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from tandem.core.errors import DataError
from tandem.loading import folders

LOCAL = {"local_files_only": True, "trust_remote_code": False}


def config(folder: Path, auto: Any = AutoConfig) -> Any:
    """The config in `folder`, read by the class `auto` of transformers.

    Raises:
        DataError: the folder is damaged, or asks for what is never done.
    """
    folders.at(folder).check()
    with _offline(folder):
        return auto.from_pretrained(folder, **LOCAL)


def generation_config(folder: Path) -> Any:
    """How the network in `folder` generates; see `config` for what it raises."""
    folders.at(folder).check()
    with _offline(folder):
        return GenerationConfig.from_pretrained(folder, local_files_only=True)


def blank(auto: Any, config: Any) -> Any:
    """A network of the class `auto` of transformers with the shape that `config` describes."""
    with _offline(config.model_type):
        if hasattr(auto, "from_config"):
            return auto.from_config(config, trust_remote_code=False)
        return auto._from_config(config)


def network(auto: Any, folder: Path, *, new_head: bool = False, **changes: Any) -> PreTrainedModel:
    """The network in `folder`, read by the class `auto` of transformers, in evaluation mode.

    With `new_head`, weights that are missing or of another shape start at random, as for a head
    that is to be trained. `changes` are laid over the config.

    Raises:
        DataError: the folder is damaged, lacks weights or asks for what is never done.
    """
    checked = folders.at(folder)
    checked.check()
    checked.check_weights()
    with _offline(folder):
        found, info = auto.from_pretrained(
            folder,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=new_head,
            **LOCAL,
            **changes,
        )
    missing = sorted(info["missing_keys"])
    if missing and not new_head:
        raise DataError(
            f"{folder}/{folders.WEIGHTS} has no weights for {missing[0]}"
            f"{f' and {len(missing) - 1} more' if missing[1:] else ''}: it is not a whole "
            f"{type(found).__name__}"
        )
    network: PreTrainedModel = found.eval()
    return network


def tokenizer(folder: Path, **settings: Any) -> PreTrainedTokenizerBase:
    """The tokenizer in `folder`; `settings` are laid over its config.

    Raises:
        DataError: the folder is damaged, has no tokenizer or asks for what is never done.
    """
    checked = folders.at(folder)
    checked.check()
    checked.check_vocabulary()
    with _offline(folder):
        return _as_saved(AutoTokenizer.from_pretrained(folder, **LOCAL, **settings))


def gguf(file: Path, dtype: Any) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The causal language model in a GGUF file, its weights as `dtype`, and its tokenizer.

    Raises:
        DataError: the file is damaged, or of an architecture that transformers cannot read.
    """
    place = {"gguf_file": file.name, **LOCAL}
    with _offline(file.name):
        model = AutoModelForCausalLM.from_pretrained(file.parent, dtype=dtype, **place)
        return model, _as_saved(AutoTokenizer.from_pretrained(file.parent, **place))


def _as_saved(tokenizer: Any) -> PreTrainedTokenizerBase:
    """`tokenizer`, which says nothing of how it was loaded when it is saved."""
    tokenizer.init_kwargs["local_files_only"] = False
    found: PreTrainedTokenizerBase = tokenizer
    return found


@contextmanager
def _offline(what: object) -> Iterator[None]:
    """Have no library reach a hub while it loads `what`; see `folders.one_line`."""
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        with folders.one_line(what):
            yield
    finally:
        huggingface_hub.constants.HF_HUB_OFFLINE = before
