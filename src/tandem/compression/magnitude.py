"""Set the smallest weights to zero, wherever they stand, and store only the others.

Magnitude pruning (Han et al. 2015, "Learning both Weights and Connections for Efficient Neural
Networks"). With healing, only the weights that are left are trained on: the gradient of a zero is
masked at every step, and from a zero no gradient, no momentum and no decay lead away.

It saves size, not time: the network is restored dense. model.safetensors holds the weights that
are left, row by row, under a weight's own name, and one bit for each place under NAME_mask.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tandem.compression import CompressionContext
from tandem.core.schema import StrictModel
from tandem.core.training_params import TrainingParams

if TYPE_CHECKING:
    from torch import Tensor

    from tandem.compression.common.stored_layers import StoredTensors


LABEL = "smallest weights set to zero"


class Params(StrictModel):
    """How much is taken out, and how the rest is healed."""

    keep_weights: float = Field(gt=0, lt=1)
    """Fraction of the weights that is kept."""
    scope: Literal["layer", "network"]
    """Among whose weights the smallest are looked for: each layer keeps its share, or all
    together do."""
    skip_modules: list[str] = Field(default=[])
    """Linear layers and embeddings left whole, by the ends of their names."""
    recovery: TrainingParams | None
    """How the weights that are left are trained on; null leaves them as they are."""


def compress(given: CompressionContext, settings: Params) -> None:
    """Prune the model, heal it on the training rows if asked to, write it.

    Raises:
        StageError: healing fails.
    """
    from tandem.compression.common import recovery, stored_layers
    from tandem.compression.common.sparse_weights import count_left, only, prune, store

    pruned = prune(
        given.model.network, settings.keep_weights, settings.scope, settings.skip_modules
    )
    if settings.recovery:
        for weight in pruned:
            weight.register_hook(only(weight != 0))  # type: ignore[no-untyped-call]
        examples = recovery.examples(given, settings.recovery)
        recovery.recover(given, examples, settings.recovery)
    stored_layers.write_model(
        given, settings.skip_modules, store, {"method": "magnitude"}, count_left
    )


def restore(folder: Path, auto: Any) -> Any:
    """The network in `folder`, dense, built by the class `auto` of transformers."""
    from tandem.compression.common import stored_layers
    from tandem.compression.common.sparse_weights import MASK, dense

    def rebuild(layer: Any, parts: "StoredTensors", _: "Tensor | None") -> "Tensor":
        return dense(parts, layer.weight.shape)

    return stored_layers.restore(folder, auto, ("", MASK), rebuild)
