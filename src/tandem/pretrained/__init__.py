"""Sources of pretrained weights; each is a module that params.yaml selects by name.

A module defines `Params(WeightsParams)` and the functions of `WeightsSource`.
"""

from pathlib import Path
from typing import Annotated, Any, Protocol, cast

from tandem.core.params import Runtime
from tandem.core.schema import PluginParams, plugin_field


class WeightsSource(Protocol):
    """The functions that a module of this package defines."""

    def write(self, params: Any, folder: Path, runtime: Runtime) -> None:
        """Write config, weights and tokenizer to `folder`, for `from_pretrained` to load."""

    def pins(self, params: Any) -> dict[str, str]:
        """Return identifiers of the weights, such as a version or hash, for the model card."""


class WeightsParams(PluginParams):
    """Base class of the params of a source of weights."""

    @property
    def plugin(self) -> WeightsSource:  # type: ignore[override]
        """The source's module."""
        return cast(WeightsSource, super().plugin)


AnyWeights = Annotated[WeightsParams, plugin_field("pretrained")]
"""A field of params.yaml that chooses a source of weights by `kind`."""
