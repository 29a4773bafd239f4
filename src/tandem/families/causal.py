"""Settings of the causal family; the model is `tandem.modeling.families.causal`."""

from typing import ClassVar, Literal

from tandem.core.params import Plugin


class Params(Plugin):
    """Nothing to set: the weights that are adapted say what the network is."""

    package: ClassVar[str] = "families"
    kind: Literal["causal"]
