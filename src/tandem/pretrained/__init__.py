"""Sources of pretrained weights: one file each, found by name.

A module defines `Params(WeightsParams)` and the functions of `WeightsSource`.
"""

from pathlib import Path
from typing import Annotated, Any, Protocol, cast

from tandem.core.params import Runtime
from tandem.core.schema import PluginParams, plugin_field


class WeightsSource(Protocol):
    """What a module in this folder defines."""

    def write(self, params: Any, folder: Path, runtime: Runtime) -> None:
        """Write what `from_pretrained` of transformers reads: JSON, safetensors, a tokenizer."""

    def pins(self, params: Any) -> dict[str, str]:
        """What identifies the bytes, for the model card of the folder."""


class WeightsParams(PluginParams):
    """Base class of the settings of a source of weights."""

    @property
    def plugin(self) -> WeightsSource:  # type: ignore[override]
        """The source of weights."""
        return cast(WeightsSource, super().plugin)


AnyWeights = Annotated[WeightsParams, plugin_field("pretrained")]
"""A field of params.yaml that chooses a source of weights by `kind`."""
