"""A metric module as an `evaluate.Metric`, without the hub that `evaluate.load` asks."""

from typing import TYPE_CHECKING, Any

import evaluate
from datasets import Features, List, Value

if TYPE_CHECKING:
    from tandem.metrics import Metric


class ModuleMetric(evaluate.Metric):  # type: ignore[misc]
    """The metric of `module`: its inputs are the module's INPUTS, its one result has its name."""

    def __init__(self, module: "Metric") -> None:
        self.module = module
        self.short = vars(module)["__name__"].rpartition(".")[2]
        super().__init__(keep_in_memory=True)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.module.__doc__,
            citation="",
            inputs_description=f"\n\nInputs: {', '.join(self.module.INPUTS)}.",
            features=Features({name: _feature(kind) for name, kind in self.module.INPUTS.items()}),
        )

    def _compute(self, **columns: Any) -> dict[str, float]:
        """`evaluate.combine` hands every metric the columns of all: take one's own."""
        return {
            self.short: self.module.compute(**{name: columns[name] for name in self.module.INPUTS})
        }


def _feature(kind: str | list[str]) -> Any:
    """`"string"` is one string a row, `["string"]` a list of them."""
    return List(Value(kind[0])) if isinstance(kind, list) else Value(kind)
