"""Check the files of a model folder in Hugging Face form, before transformers reads them.

A folder that was pulled, downloaded or copied may be damaged or hostile. The rules here refuse all
that makes transformers run code, read a pickle, follow a path out of the folder or reach a hub.
"""

import json
import os
import re
import stat
from collections.abc import Iterator
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
"""The JSON files that transformers reads, but for tables."""
VOCABULARIES = (TOKENIZER, "vocab.txt", "vocab.json", "*.model", "*.spm")
"""A tokenizer needs one of these; without any, transformers makes an empty one."""
PICKLES = {".bin", ".ckpt", ".h5", ".joblib", ".msgpack", ".pickle", ".pkl", ".pt", ".pth"}

LARGEST_CONFIG = 16 << 20
"""Bytes; a config with 100,000 labels has 6 MB."""
LARGEST_TABLE = 256 << 20
"""Bytes; the tokenizer.json of a vocabulary of 256,000 has 33 MB."""
DEEPEST = 32
"""Levels of nesting in a config; configs of several networks have five."""

CODE = "names code of the model's own, which is never run"
ELSEWHERE = "names files of the loader's choice, and only the usual ones are read"
QUANTISED = "says that the weights are quantized: take a folder with plain float weights"
REFUSED = {
    "auto_map": CODE,
    "custom_pipelines": CODE,
    "custom_generate": CODE,
    "kernel_config": CODE,
    "use_kernels": CODE,
    "backbone": CODE,
    "use_timm_backbone": CODE,
    "use_pretrained_backbone": CODE,
    "quantization_config": QUANTISED,
    "compression_config": QUANTISED,
    "configuration_files": ELSEWHERE,
    "fast_tokenizer_files": ELSEWHERE,
    "transformers_weights": ELSEWHERE,
}
"""Keys of a config, at any depth, that must be absent, null or false; and why."""
ATTENTION = frozenset({"eager", "sdpa"})
"""Any other value may be the name of a kernel that transformers fetches from a hub."""
DTYPES = frozenset({"float32", "float16", "bfloat16", "float64"})
ALLOWED = {
    "attn_implementation": ATTENTION,
    "_attn_implementation": ATTENTION,
    "_attn_implementation_internal": ATTENTION,
    "experts_implementation": ATTENTION,
    "_experts_implementation": ATTENTION,
    "_experts_implementation_internal": ATTENTION,
    "dtype": DTYPES,
    "torch_dtype": DTYPES,
}
"""Keys of a config, at any depth, with the values that they may have besides null."""
TOKENIZER_CLASS = re.compile(r"[A-Za-z0-9]*(Tokenizer|TokenizerFast|TokenizersBackend)")
STORES = re.compile(r"/(blobs/[0-9a-f]{40,64}|files/md5/[0-9a-f]{2}/[0-9a-f]{30})")
"""Where links may lead to out of a folder: objects named by their content, as the Hugging Face
hub's cache and DVC's (`cache.type symlink`) keep them."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder to be checked; `name` is what messages call it."""

    path: Path
    name: str

    def check(self) -> dict[str, Any]:
        """Check what is in the folder and all configs but the weights; return config.json.

        Raises:
            DataError: a file breaks a rule of this module, or there is no config.json.
        """
        self.check_files()
        found = {name: self._config(name) for name in CONFIGS if os.path.lexists(self.path / name)}
        if CONFIG not in found:
            raise DataError(f"{self.name} has no {CONFIG}")
        kind = found[CONFIG].get("model_type")
        if not isinstance(kind, str) or kind not in _model_types():
            raise self._refusal(
                CONFIG, f"model_type is {_shown(kind)}, which is not one of transformers"
            )
        for name in (CONFIG, "tokenizer_config.json"):
            kind = found.get(name, {}).get("tokenizer_class")
            if kind is not None and not (isinstance(kind, str) and TOKENIZER_CLASS.fullmatch(kind)):
                raise self._refusal(name, f"tokenizer_class is {_shown(kind)}, not a tokenizer")
        return found[CONFIG]

    def check_files(self) -> None:
        """Check that each entry is a regular file or a folder, and not an adapter's config.

        Raises:
            DataError: one is not, is a broken link or leads out of the folder.
        """
        inside = self.path.resolve()
        for entry in sorted(os.scandir(self.path), key=lambda entry: entry.name):
            if entry.is_symlink():
                target = Path(entry.path).resolve()
                if inside not in target.parents and not STORES.search(str(target)):
                    raise self._refusal(
                        entry.name, f"is a link that leads out of the folder, to {target}"
                    )
            try:
                mode = entry.stat().st_mode
            except FileNotFoundError:
                raise self._refusal(entry.name, "is a link that leads nowhere") from None
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise self._refusal(entry.name, "is neither a file nor a folder")
            if entry.name == ADAPTER:
                raise adapter(self.name)

    def check_weights(self) -> None:
        """Check that there are weights as safetensors, and that they are whole.

        Raises:
            DataError: there are none, a file is damaged, or an index leads elsewhere.
        """
        files = {WEIGHTS} if (self.path / WEIGHTS).exists() else set()
        index = self._shards() if (self.path / INDEX).exists() else {}
        for name in sorted(files | set(index.values())):
            held = tensors.header(self.path / name, f"{self.name}/{name}")
            for tensor, shard in index.items():
                if shard == name and tensor not in held:
                    raise self._refusal(INDEX, f"{name} does not hold the tensor {tensor}")
        if not files and not index:
            raise no_weights(self.name, (file.name for file in self.path.iterdir()))

    def check_vocabulary(self) -> None:
        """Check that there is the vocabulary of a tokenizer.

        Raises:
            DataError: there is none, or one in JSON is damaged.
        """
        found = [name for name in VOCABULARIES if any(self.path.glob(name))]
        if not found:
            raise DataError(f"{self.name} has no tokenizer: copy tokenizer.json into it")
        for name in found:
            if name.endswith(".json"):
                self.read(name, LARGEST_TABLE)

    def read(self, name: str, largest: int = LARGEST_CONFIG) -> dict[str, Any]:
        """The object in a JSON file of at most `largest` bytes.

        Raises:
            DataError: it is not JSON as RFC 8259 has it, or not an object.
        """
        path = self.path / name
        if not path.is_file():
            raise self._refusal(name, "is not a file")
        if path.stat().st_size > largest:
            raise self._refusal(name, f"has more than {largest >> 20} MiB")
        try:
            found = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
        except RecursionError:
            raise self._refusal(name, "is nested too deeply") from None
        except ValueError as error:
            raise self._refusal(name, f"is not JSON: {_one_line(error)}") from None
        if not isinstance(found, dict):
            raise self._refusal(name, "is not a JSON object")
        return found

    def _config(self, name: str) -> dict[str, Any]:
        found = self.read(name)
        for depth, key, value in _entries(found):
            if depth > DEEPEST:
                raise self._refusal(name, f"is nested more than {DEEPEST} levels deep")
            if key in REFUSED and value not in (None, False):
                raise self._refusal(name, f"{key} {REFUSED[key]}")
            if key in ALLOWED and not _allowed(value, ALLOWED[key]):
                known = ", ".join(sorted(ALLOWED[key]))
                raise self._refusal(name, f"{key} is {_shown(value)}, not one of {known}")
            if "\0" in key or (isinstance(value, str) and "\0" in value):
                raise self._refusal(name, f"{_shown(key)} has a NUL character")
        return found

    def _shards(self) -> dict[str, str]:
        """Tensor → file, as the index has it."""
        found = self.read(INDEX, LARGEST_TABLE).get("weight_map")
        if not isinstance(found, dict) or not found:
            raise self._refusal(INDEX, "has no weight_map")
        for name in found.values():
            if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+\.safetensors", name):
                raise self._refusal(
                    INDEX, f"weight_map has {_shown(name)}, not a safetensors file of the folder"
                )
            if not (self.path / name).is_file():
                raise self._refusal(INDEX, f"weight_map has {name}, which is missing")
        return found

    def _refusal(self, name: str, problem: str) -> DataError:
        return DataError(f"{self.name}/{name}: {problem}")


def at(folder: Path) -> ModelFolder:
    """The folder under its own name.

    Raises:
        DataError: there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder")
    return ModelFolder(folder, str(folder))


def adapter(name: str) -> DataError:
    """The error for a folder `name` that holds an adapter's config."""
    return DataError(
        f"{name}/{ADAPTER}: an adapter names another model as its base: merge the two "
        "(`merge_and_unload` of PEFT) and save the whole model"
    )


def no_weights(where: str, names: Iterator[str]) -> DataError:
    """The error for a place that has no safetensors among the files `names`."""
    pickles = sorted(name for name in names if Path(name).suffix in PICKLES)
    if pickles:
        return DataError(
            f"{where}/{pickles[0]}: pickles can run code and are never read: save the weights as "
            "safetensors (`save_pretrained`)"
        )
    return DataError(f"{where} has no {WEIGHTS}")


@contextmanager
def one_line(what: object) -> Iterator[None]:
    """Turn what a library raises while it loads `what` into one line.

    Raises:
        DataError: the library failed.
    """
    try:
        yield
    except TandemError:
        raise
    except Exception as error:  # the errors of these libraries share no base below Exception
        reason = f"{type(error).__name__}: {_one_line(error)}"
        raise DataError(f"cannot load {what}: {reason}") from error


def _model_types() -> dict[str, str]:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    known: dict[str, str] = CONFIG_MAPPING_NAMES
    return known


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _allowed(value: Any, values: frozenset[str]) -> bool:
    if isinstance(value, dict):  # one value for each network of several
        return all(_allowed(each, values) for each in value.values())
    return value is None or (isinstance(value, str) and value in values)


def _entries(value: Any, depth: int = 1) -> Iterator[tuple[int, str, Any]]:
    """Depth, key and value of every entry of every object in `value`; items of lists have none."""
    if depth > DEEPEST:
        yield depth + 1, "", None
        return
    if isinstance(value, dict):
        for key, each in value.items():
            yield depth, key, each
            if isinstance(each, dict | list):
                yield from _entries(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            if isinstance(each, dict | list):
                yield from _entries(each, depth + 1)


def _shown(value: Any) -> str:
    return "missing" if value is None else ascii(value)[:80]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
