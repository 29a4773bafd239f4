"""Fit any family's model with the Trainer of transformers.

Batches by length, linear or cosine decay after a warm-up, gradient clipping and accumulation,
L1, L2, dropout, label smoothing, frozen layers, and early stopping on the validation loss, whose
best weights are kept. A run is a number of steps, never of seconds, so that its bits repeat.
"""

import csv
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from transformers import EarlyStoppingCallback, Trainer, TrainingArguments

from tandem.core.params import Runtime, Strict

CURVE = ("step", "train_loss", "validation_loss", "learning_rate")


class Training(Strict):
    """How a model is fitted; every family and every stage that trains uses the same names."""

    steps: int = Field(ge=1)
    """Optimiser steps at the most."""
    evaluate_every: int = Field(ge=1)
    """Steps between two looks at the validation loss."""
    patience: int = Field(ge=1)
    """Looks without a better validation loss after which training stops."""
    batch_size: int = Field(ge=1)
    accumulation: int = Field(default=1, ge=1)
    """Batches whose gradients are added up for one step."""
    learning_rate: float = Field(gt=0)
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = "linear"
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps in which the learning rate rises from zero."""
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of a step's gradient."""
    l1: float = Field(default=0.0, ge=0)
    """Weight of the sum of the trainable weights' absolute values, added to the loss."""
    l2: float = Field(default=0.01, ge=0)
    """Decoupled weight decay (Loshchilov & Hutter 2019, AdamW)."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    trainable_layers: int | None = Field(default=None, ge=1)
    """Train only the last N blocks and the head; null trains all."""
    max_length: int = Field(ge=4)
    """Tokens of an example at the most; longer ones are cut."""
    max_rows: int | None = Field(default=None, ge=1)
    """Training rows at the most, the first in hashed order; null takes all."""
    max_validation_rows: int = Field(default=500, ge=1)


def fit(
    network: Any,
    loss: Callable[[Any, dict[str, Tensor], float], Tensor],
    examples: Sequence[Mapping[str, Any]],
    validation: Sequence[Mapping[str, Any]],
    collate: Callable[[list[dict[str, Any]]], dict[str, Tensor]],
    training: Training,
    runtime: Runtime,
) -> list[dict[str, float]]:
    """Train `network` in place to its best validation loss; returns the curve, one dict a look.

    `loss(network, batch, label_smoothing)` gives a scalar; `examples` hold `input_ids`, whose
    lengths batches are formed by. In evaluation `loss` is called without smoothing.
    """
    with tempfile.TemporaryDirectory() as scratch:
        trainer = _Trainer(
            model=network,
            args=_arguments(training, runtime, Path(scratch)),
            train_dataset=list(examples),
            eval_dataset=list(validation),
            data_collator=collate,
            callbacks=[EarlyStoppingCallback(training.patience)],
        )
        trainer.batch_loss, trainer.training = loss, training
        trainer.train()
    network.eval()
    return _curve(trainer.state.log_history)


class _Trainer(Trainer):  # type: ignore[misc]
    """The Trainer with a loss of the family's own, and L1."""

    batch_loss: Callable[[Any, dict[str, Tensor], float], Tensor]
    training: Training

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        if not model.training:
            loss = self.batch_loss(model, inputs, 0.0)
            return (loss, {}) if return_outputs else loss
        loss = self.batch_loss(model, inputs, self.training.label_smoothing)
        if self.training.l1:
            weights = (p.abs().sum() for p in model.parameters() if p.requires_grad)
            loss = loss + self.training.l1 * torch.stack(list(weights)).sum()
        return loss / self.training.accumulation


def _arguments(training: Training, runtime: Runtime, scratch: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(scratch),
        max_steps=training.steps,
        per_device_train_batch_size=training.batch_size,
        per_device_eval_batch_size=training.batch_size * 2,
        gradient_accumulation_steps=training.accumulation,
        learning_rate=training.learning_rate,
        lr_scheduler_type=training.schedule,
        warmup_steps=round(training.warmup * training.steps),
        max_grad_norm=training.clip,
        weight_decay=training.l2,
        optim="adamw_torch",
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        eval_strategy="steps",
        logging_strategy="steps",
        save_strategy="steps",
        eval_steps=training.evaluate_every,
        logging_steps=training.evaluate_every,
        save_steps=training.evaluate_every,
        save_total_limit=1,
        save_only_model=True,
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        greater_is_better=False,
        prediction_loss_only=True,
        seed=runtime.seed,
        use_cpu=runtime.device == "cpu",
        dataloader_pin_memory=False,
        report_to="none",
        disable_tqdm=not sys.stderr.isatty(),
    )


def _curve(log: list[dict[str, float]]) -> list[dict[str, float]]:
    """One entry a look at the validation rows: step, both losses, the learning rate there."""
    looks: dict[int, dict[str, float]] = {}
    for entry in log:
        look = looks.setdefault(int(entry["step"]), {"step": int(entry["step"])})
        if "eval_loss" in entry:
            look["validation_loss"] = entry["eval_loss"]
        elif "loss" in entry:
            look |= {"train_loss": entry["loss"], "learning_rate": entry["learning_rate"]}
    return [look for look in looks.values() if set(CURVE) == set(look)]


def write_curve(path: Path, curve: Sequence[Mapping[str, float]]) -> None:
    """The curve as the CSV table behind a DVC plot, six significant digits."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CURVE)
        for look in curve:
            writer.writerow([look["step"], *(f"{look[name]:.6g}" for name in CURVE[1:])])


def freeze_below(blocks: Sequence[torch.nn.Module], embeddings: torch.nn.Module, last: int) -> None:
    """Leave only the last `last` of a network's `blocks`, and what stands after them, trainable."""
    for module in [embeddings, *blocks[: len(blocks) - last]]:
        module.requires_grad_(False)
