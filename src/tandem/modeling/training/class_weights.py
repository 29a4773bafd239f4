"""The weights of the classes in the loss; they are stored in the network's config.

`balanced` uses the formula of scikit-learn, n / (classes · count), which gives 1 for a class of
average size. With these weights, all classes have the same total weight (King & Zeng 2001,
"Logistic Regression in Rare Events Data"). A soft label adds its probability of each class to the
count of that class.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

ClassWeights = Literal["none", "balanced"]


def balanced(counts: Sequence[float]) -> list[float]:
    """The weight of each class, given its number of rows or the sum of its probabilities.

    A class without rows is not included in the number of classes, and gets the weight 1.

    >>> balanced([6, 2, 0])
    [0.666667, 2.0, 1.0]
    """
    seen = sum(count > 0 for count in counts)
    return [round(sum(counts) / (seen * count), 6) if count else 1.0 for count in counts]


def set_class_weights(config: Any, weighting: ClassWeights, counts: Sequence[float]) -> None:
    """Write the class weights into `config`; `none` removes those of an earlier training run."""
    vars(config).pop("class_weights", None)
    if weighting == "balanced":
        config.class_weights = balanced(counts)


def class_weights(network: Any) -> Tensor | None:
    """The class weights in the network's config, of shape (classes,); None if there are none."""
    weights = getattr(network.config, "class_weights", None)
    return None if weights is None else torch.tensor(weights, device=network.device)
