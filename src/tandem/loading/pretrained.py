"""Load configs, networks and tokenizers from model folders with transformers.

Every function that loads from a model folder checks the folder first. No function allows remote
code, pickles or a connection to a hub. If transformers raises an error, the functions raise a
one-line DataError.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

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
    """Load the config in `folder` with the transformers class `auto`.

    Raises:
        DataError: the folder is damaged, or breaks a rule of `tandem.loading.folders`.
    """
    folders.open_folder(folder).check()
    with _offline(folder):
        return auto.from_pretrained(folder, **LOCAL)


def generation_config(folder: Path) -> Any:
    """Load the generation config in `folder`.

    Raises:
        DataError: the folder is damaged, or breaks a rule of `tandem.loading.folders`.
    """
    folders.open_folder(folder).check()
    with _offline(folder):
        return GenerationConfig.from_pretrained(folder, local_files_only=True)


def blank(auto: Any, config: Any) -> Any:
    """Create a network with the transformers class `auto` and the architecture in `config`."""
    with _offline(config.model_type):
        if hasattr(auto, "from_config"):
            return auto.from_config(config, trust_remote_code=False)
        return auto._from_config(config)


def network(auto: Any, folder: Path, *, new_head: bool = False, **changes: Any) -> PreTrainedModel:
    """Load the network in `folder` with the transformers class `auto`, in evaluation mode.

    Args:
        auto: The class that loads the network.
        folder: The model folder.
        new_head: Whether weights may be missing or have a different shape, such as those of a head
            that is still to be trained; such weights are initialized randomly.
        changes: Values that override those in the config.

    Raises:
        DataError: the folder is damaged, lacks weights, or breaks a rule of
            `tandem.loading.folders`.
    """
    model_folder = folders.open_folder(folder)
    model_folder.check()
    model_folder.check_weights()
    with _offline(folder):
        loaded, info = auto.from_pretrained(
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
            f"{f' and {len(missing) - 1} more' if missing[1:] else ''}: it is not a complete "
            f"{type(loaded).__name__}"
        )
    network: PreTrainedModel = loaded.eval()
    return network


def tokenizer(folder: Path, **settings: Any) -> PreTrainedTokenizerBase:
    """Load the tokenizer in `folder`; `settings` override values in its config.

    Raises:
        DataError: the folder is damaged, has no tokenizer, or breaks a rule of
            `tandem.loading.folders`.
    """
    model_folder = folders.open_folder(folder)
    model_folder.check()
    model_folder.check_vocabulary()
    with _offline(folder):
        return _without_load_options(AutoTokenizer.from_pretrained(folder, **LOCAL, **settings))


def gguf(file: Path, dtype: Any) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model (weights of type `dtype`) and its tokenizer from a GGUF file.

    Raises:
        DataError: the GGUF file is damaged, or transformers does not support its architecture.
    """
    arguments = {"gguf_file": file.name, **LOCAL}
    with _offline(file.name):
        model = AutoModelForCausalLM.from_pretrained(file.parent, dtype=dtype, **arguments)
        return model, _without_load_options(AutoTokenizer.from_pretrained(file.parent, **arguments))


def _without_load_options(tokenizer: Any) -> PreTrainedTokenizerBase:
    """Reset the options with which `tokenizer` was loaded, so that they are not saved with it."""
    tokenizer.init_kwargs["local_files_only"] = False
    return cast(PreTrainedTokenizerBase, tokenizer)


@contextmanager
def _offline(name: object) -> Iterator[None]:
    """Keep libraries from connecting to a hub; convert their errors to a DataError about `name`."""
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        with folders.as_data_error(name):
            yield
    finally:
        huggingface_hub.constants.HF_HUB_OFFLINE = before
