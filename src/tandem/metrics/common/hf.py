"""Use a metric module as an `evaluate.Metric`, without the Hub requests of `evaluate.load`."""

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from datasets import Features, List, Value

if TYPE_CHECKING:
    from tandem.metrics import Metric


@contextmanager
def _without_transformers() -> Iterator[None]:
    """Make imports of transformers fail inside the `with` block.

    For its evaluators, `evaluate` imports the pipelines of transformers, if they are available;
    the pipelines import torch. Metrics do not need the pipelines, and importing them would take
    three quarters of the time to import `evaluate`.
    """
    loaded = sys.modules.get("transformers")
    sys.modules["transformers"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["transformers"]
        if loaded is not None:
            sys.modules["transformers"] = loaded


with _without_transformers():
    import evaluate


class ModuleMetric(evaluate.Metric):  # type: ignore[misc]
    """The metric that `module` defines, as an `evaluate.Metric`.

    The features are the module's `INPUTS`; `compute` returns a dict whose key is the module's name.
    """

    def __init__(self, module: "Metric") -> None:
        self.module = module
        self.result = vars(module)["__name__"].rpartition(".")[2]
        super().__init__(keep_in_memory=True)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.module.__doc__,
            citation="",
            inputs_description=f"\n\nInputs: {', '.join(self.module.INPUTS)}.",
            features=Features({name: _feature(kind) for name, kind in self.module.INPUTS.items()}),
        )

    def _build_data_dir(self) -> str:
        """An empty path, so that `evaluate` does not create a folder in the home directory."""
        return ""

    def _compute(self, **inputs: Any) -> dict[str, float]:
        # `evaluate.combine` passes the inputs of all its metrics to each of them
        accepted = inspect.signature(self.module.compute).parameters
        value = self.module.compute(**{k: v for k, v in inputs.items() if k in accepted})
        return {self.result: value}


def _feature(kind: str | list[str]) -> Any:
    """The `datasets` feature for a column type, such as `"string"` or `["string"]` (lists)."""
    return List(Value(kind[0])) if isinstance(kind, list) else Value(kind)
