"""Check the files of a model folder in Hugging Face format before transformers reads them.

A folder that was pulled, downloaded or copied may be damaged or malicious. The rules of this module
reject everything that makes transformers run code, read a pickle, follow a path out of the folder
or connect to a hub.
"""

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem.core.errors import DataError, TandemError
from tandem.loading import tensors

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER = "adapter_config.json"
TOKENIZER = "tokenizer.json"
CONFIGS = (
    CONFIG,
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "chat_template.json",
)
"""The JSON files that transformers reads, except vocabularies and indexes."""
VOCABULARIES = (TOKENIZER, "vocab.txt", "vocab.json", "*.model", "*.spm")
"""Vocabulary files. If a folder has no vocabulary, transformers creates an empty tokenizer."""
PICKLES = {".bin", ".ckpt", ".h5", ".joblib", ".msgpack", ".pickle", ".pkl", ".pt", ".pth"}

MAX_CONFIG = 16 << 20
"""Maximum size of a config in bytes; a config with 100,000 labels takes 6 MB."""
MAX_TABLE = 256 << 20
"""Maximum size of a vocabulary or index in bytes; 256,000 tokens take 33 MB in tokenizer.json."""
MAX_DEPTH = 32
"""Maximum nesting depth of a config; configs of composite models have five levels."""

CODE = "refers to model code, which is never run"
OTHER_FILES = "refers to other files; only files with the standard names are read"
GENERATION = "selects a generation method whose code exists only on a hub"
QUANTIZED = "marks the weights as quantized; use a folder with float weights"
REJECTED = {
    "auto_map": CODE,
    "custom_pipelines": CODE,
    "custom_generate": CODE,
    "kernel_config": CODE,
    "use_kernels": CODE,
    "backbone": CODE,
    "use_timm_backbone": CODE,
    "use_pretrained_backbone": CODE,
    "constraints": GENERATION,
    "dola_layers": GENERATION,
    "force_words_ids": GENERATION,
    "penalty_alpha": GENERATION,
    "quantization_config": QUANTIZED,
    "compression_config": QUANTIZED,
    "configuration_files": OTHER_FILES,
    "fast_tokenizer_files": OTHER_FILES,
    "transformers_weights": OTHER_FILES,
}
"""Key that must be absent, null or false at any depth of a config → the reason for this rule."""
ATTENTION = frozenset({"eager", "sdpa"})
"""Allowed implementations of attention and of expert layers; any other may be a kernel that
transformers downloads from a hub."""
DTYPES = frozenset({"float32", "float16", "bfloat16", "float64"})
ALLOWED: dict[str, frozenset[str] | frozenset[int]] = {
    "attn_implementation": ATTENTION,
    "_attn_implementation": ATTENTION,
    "_attn_implementation_internal": ATTENTION,
    "experts_implementation": ATTENTION,
    "_experts_implementation": ATTENTION,
    "_experts_implementation_internal": ATTENTION,
    "dtype": DTYPES,
    "num_beam_groups": frozenset({1}),  # other values need code that is only on a hub
    "torch_dtype": DTYPES,
}
"""Key at any depth of a config → the values that are allowed in addition to null."""
TOKENIZER_CLASS = re.compile(r"[A-Za-z0-9]*(Tokenizer|TokenizerFast|TokenizersBackend)")
STORES = re.compile(r"/(blobs/[0-9a-f]{40,64}|files/md5/[0-9a-f]{2}/[0-9a-f]{30})")
"""Allowed targets of links out of a folder: files in the cache of the Hugging Face Hub or of DVC
(`cache.type symlink`), which are named after a hash of their content."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model folder to be checked; error messages refer to it by its `name`."""

    path: Path
    name: str

    def check(self) -> dict[str, Any]:
        """Check the entries of the folder and all its configs; return the content of config.json.

        This method checks neither weights nor vocabularies.

        Raises:
            DataError: a file breaks a rule of this module, or there is no config.json.
        """
        self.check_files()
        names = [name for name in CONFIGS if os.path.lexists(self.path / name)]
        configs = {name: self._read_config(name) for name in names}
        if CONFIG not in configs:
            raise DataError(f"{self.name} has no {CONFIG}")
        value = configs[CONFIG].get("model_type")
        if not isinstance(value, str) or value not in _model_types():
            raise self._error(
                CONFIG, f"model_type is {_printable(value)}, which transformers does not support"
            )
        for name in (CONFIG, "tokenizer_config.json"):
            value = configs.get(name, {}).get("tokenizer_class")
            is_class = isinstance(value, str) and TOKENIZER_CLASS.fullmatch(value)
            if value is not None and not is_class:
                raise self._error(
                    name, f"tokenizer_class is {_printable(value)}, which is not a tokenizer class"
                )
        return configs[CONFIG]

    def check_files(self) -> None:
        """Check that the folder contains only regular files and folders, and no adapter config.

        Raises:
            DataError: an entry is an adapter config, a broken link, a disallowed link out of the
                folder, or neither a file nor a folder.
        """
        root = self.path.resolve()
        for entry in sorted(os.scandir(self.path), key=lambda entry: entry.name):
            if entry.is_symlink():
                target = Path(entry.path).resolve()
                if root not in target.parents and not STORES.search(str(target)):
                    raise self._error(
                        entry.name, f"is a link to {target}, which is outside of the folder"
                    )
            try:
                mode = entry.stat().st_mode
            except FileNotFoundError:
                raise self._error(entry.name, "is a broken link") from None
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise self._error(entry.name, "is neither a file nor a folder")
            if entry.name == ADAPTER:
                raise adapter_error(self.name)

    def check_weights(self) -> None:
        """Check that the weights are complete safetensors files.

        Raises:
            DataError: there are no weights, a file is damaged, or the index is wrong.
        """
        files = {WEIGHTS} if (self.path / WEIGHTS).exists() else set()
        index = self._shards() if (self.path / INDEX).exists() else {}
        for name in sorted(files | set(index.values())):
            shapes = tensors.header(self.path / name, f"{self.name}/{name}")
            for tensor, shard in index.items():
                if shard == name and tensor not in shapes:
                    raise self._error(INDEX, f"{name} does not contain the tensor {tensor}")
        if not files and not index:
            raise no_weights_error(self.name, (file.name for file in self.path.iterdir()))

    def check_vocabulary(self) -> None:
        """Check that the folder contains a tokenizer vocabulary.

        Raises:
            DataError: there is no vocabulary, or a JSON file of the vocabulary is damaged.
        """
        names = [name for name in VOCABULARIES if any(self.path.glob(name))]
        if not names:
            raise DataError(f"{self.name} has no tokenizer: copy tokenizer.json into it")
        for name in names:
            if name.endswith(".json"):
                self.read(name, MAX_TABLE)

    def read(self, name: str, max_bytes: int = MAX_CONFIG) -> dict[str, Any]:
        """Return the object in the JSON file `name`, which may have at most `max_bytes` bytes.

        Raises:
            DataError: the file is missing, too large, not JSON (RFC 8259), or not a JSON object.
        """
        path = self.path / name
        if not path.is_file():
            raise self._error(name, "is not a file")
        if path.stat().st_size > max_bytes:
            raise self._error(name, f"is larger than {max_bytes >> 20} MiB")
        try:
            content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_reject_constant)
        except RecursionError:
            raise self._error(name, "is nested too deeply") from None
        except ValueError as error:
            raise self._error(name, f"is not JSON: {_one_line(error)}") from None
        if not isinstance(content, dict):
            raise self._error(name, "is not a JSON object")
        return content

    def _read_config(self, name: str) -> dict[str, Any]:
        """Read a config, and check all its entries."""
        content = self.read(name)
        for depth, key, value in _entries(content):
            if depth > MAX_DEPTH:
                raise self._error(name, f"is nested more than {MAX_DEPTH} levels deep")
            if key in REJECTED and value not in (None, False):
                raise self._error(name, f"{key} {REJECTED[key]}")
            if key in ALLOWED and not _is_allowed(value, ALLOWED[key]):
                allowed = ", ".join(sorted(map(str, ALLOWED[key])))
                raise self._error(name, f"{key} is {_printable(value)}, not one of {allowed}")
            if "\0" in key or (isinstance(value, str) and "\0" in value):
                raise self._error(name, f"{_printable(key)} has a NUL character")
        return content

    def _shards(self) -> dict[str, str]:
        """Return tensor name → file name, as listed in the index of the weights."""
        files = self.read(INDEX, MAX_TABLE).get("weight_map")
        if not isinstance(files, dict) or not files:
            raise self._error(INDEX, "has no weight_map")
        for name in files.values():
            if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+\.safetensors", name):
                raise self._error(
                    INDEX,
                    f"weight_map names {_printable(name)}, which is not a safetensors file name",
                )
            if not (self.path / name).is_file():
                raise self._error(INDEX, f"weight_map names {name}, which is missing")
        return files

    def _error(self, name: str, problem: str) -> DataError:
        return DataError(f"{self.name}/{name}: {problem}")


def open_folder(folder: Path) -> ModelFolder:
    """Return `folder` as a ModelFolder; error messages refer to it by its path.

    Raises:
        DataError: `folder` is not an existing folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder")
    return ModelFolder(folder, str(folder))


def adapter_error(name: str) -> DataError:
    """Return the error for the folder `name`, which contains an adapter config."""
    return DataError(
        f"{name}/{ADAPTER}: an adapter needs another model as its base; merge the two "
        "(`merge_and_unload` of PEFT) and save the complete model"
    )


def no_weights_error(where: str, names: Iterable[str]) -> DataError:
    """Return the error for a folder or package with the files `names`, but no safetensors file."""
    pickles = sorted(name for name in names if Path(name).suffix in PICKLES)
    if pickles:
        return DataError(
            f"{where}/{pickles[0]}: pickles can run code and are never read; save the weights as "
            "safetensors (`save_pretrained`)"
        )
    return DataError(f"{where} has no {WEIGHTS}")


@contextmanager
def as_data_error(name: object) -> Iterator[None]:
    """Convert any exception that a library raises while loading `name` to a one-line DataError."""
    try:
        yield
    except TandemError:
        raise
    except Exception as error:  # the libraries' errors have no common base class
        reason = f"{type(error).__name__}: {_one_line(error)}"
        raise DataError(f"cannot load {name}: {reason}") from error


def _model_types() -> dict[str, str]:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    model_types: dict[str, str] = CONFIG_MAPPING_NAMES
    return model_types


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _is_allowed(value: Any, values: frozenset[str] | frozenset[int]) -> bool:
    if isinstance(value, dict):  # one value per submodel
        return all(_is_allowed(item, values) for item in value.values())
    return value is None or (type(value) in (str, int) and value in values)


def _entries(value: Any, depth: int = 1) -> Iterator[tuple[int, str, Any]]:
    """Yield the depth, key and value of every entry of every JSON object in `value`."""
    if depth > MAX_DEPTH:
        yield depth + 1, "", None
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield depth, key, item
            if isinstance(item, dict | list):
                yield from _entries(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                yield from _entries(item, depth + 1)


def _printable(value: Any) -> str:
    return "missing" if value is None else ascii(value)[:80]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
