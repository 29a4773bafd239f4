"""Sources of pretrained weights: one module each, chosen by its name in params.yaml.

A module defines `Params(WeightsParams)` and the functions of `WeightsSource`.
"""

from pathlib import Path
from typing import Annotated, Any, Protocol, cast

from tandem.core.params import Runtime
from tandem.core.schema import PluginParams, plugin_field


class WeightsSource(Protocol):
    """The functions that a module of this package defines."""

    def write(self, params: Any, folder: Path, runtime: Runtime) -> None:
        """Write config, weights and tokenizer to `folder`, to be loaded by `from_pretrained`."""

    def pins(self, params: Any) -> dict[str, str]:
        """Return pins that identify the exact weights, for the model card."""


class WeightsParams(PluginParams):
    """Base class of the params of a source of weights."""

    @property
    def plugin(self) -> WeightsSource:  # type: ignore[override]
        """The source's module."""
        return cast(WeightsSource, super().plugin)


AnyWeights = Annotated[WeightsParams, plugin_field("pretrained")]
"""A field of params.yaml that chooses a source of weights by `kind`."""
