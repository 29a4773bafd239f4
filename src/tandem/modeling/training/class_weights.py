"""Weights of classes in the loss, kept in a network's config so that it can be rebuilt from there.

`balanced` is scikit-learn's: n / (classes · count), a weight of one for a class of average size;
so all classes together weigh the same (King & Zeng 2001, "Logistic Regression in Rare Events
Data"). Soft labels count by their shares.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

ClassWeights = Literal["none", "balanced"]


def balanced(counts: Sequence[float]) -> list[float]:
    """The weight of each class, from how many rows, or shares of rows, it has.

    A class without rows is no class of the rows, and weighs one.

    >>> balanced([6, 2, 0])
    [0.666667, 2.0, 1.0]
    """
    seen = sum(count > 0 for count in counts)
    return [round(sum(counts) / (seen * count), 6) if count else 1.0 for count in counts]


def set_class_weights(config: Any, kind: ClassWeights, counts: Sequence[float]) -> None:
    """Write the weights into `config`; with `none`, take out those of an earlier training."""
    vars(config).pop("class_weights", None)
    if kind == "balanced":
        config.class_weights = balanced(counts)


def class_weights(network: Any) -> Tensor | None:
    """The weights (classes,) in the network's config, for `cross_entropy`; None: all are one."""
    found = getattr(network.config, "class_weights", None)
    return None if found is None else torch.tensor(found, device=network.device)
