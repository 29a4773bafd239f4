"""Train models of all families with transformers' Trainer.

This module supports length-grouped batches, linear or cosine decay of the learning rate after a
warm-up, gradient clipping and accumulation, L1 regularization, weight decay, dropout, label
smoothing, frozen layers, adapters, and early stopping on the validation loss, which restores the
best weights. The length of training is set in steps, never in seconds, so that the result is
bit-for-bit reproducible.

The Trainer gets the network and its loss as one module, because accelerate applies lower precision
and multi-process training to a module's `forward`. Lower precision and multi-process training
therefore work for every model family.
"""

import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from tandem.core import paths
from tandem.core.errors import ParamsError, StageError
from tandem.core.params import Runtime
from tandem.core.progress import Progress, progress
from tandem.core.training_params import TrainingParams
from tandem.modeling.training.freezing import freeze, set_dropout
from tandem.modeling.training.length_sampler import LengthGroupedSampler
from tandem.modeling.training.lora import adapt, merge

HISTORY_COLUMNS = ("step", "train_loss", "validation_loss", "learning_rate")
OPTIMIZERS = {"adamw": "adamw_torch_fused", "adafactor": "adafactor", "sgd": "sgd"}

Loss = Callable[[Any, dict[str, Tensor], float], Tensor]


def fit(
    network: Any,
    loss: Loss,
    examples: Sequence[Mapping[str, Any]],
    validation: Sequence[Mapping[str, Any]],
    collate: Callable[[list[dict[str, Any]]], dict[str, Tensor]],
    training: TrainingParams,
    runtime: Runtime,
) -> list[dict[str, float]]:
    """Train `network` in place, and keep the weights with the lowest validation loss.

    This function also sets dropout, freezes layers and adds adapters, so that these settings apply
    in every stage that fits a model; the adapters are merged at the end. Each process that
    `distributed.launch` starts calls this function with the same arguments and ends with the same
    weights.

    Args:
        network: the network.
        loss: `loss(network, batch, label_smoothing)`, a scalar; the smoothing is 0 for validation.
        examples: the training examples. A batch contains examples with `input_ids` of similar
            length.
        validation: the examples that the validation loss is computed on.
        collate: makes a batch of tensors from examples.
        training: how the network is trained.
        runtime: device, precision, number of processes and seed.

    Returns:
        The history: step, losses and learning rate at each evaluation, as in `HISTORY_COLUMNS`.

    Raises:
        ParamsError: the precision needs a GPU, and there is none.
        StageError: there is nothing to train or validate on, or the loss is not a number.
    """
    if runtime.precision == "fp16" and not torch.cuda.is_available():
        raise ParamsError(
            f"{paths.PARAMS}: runtime.precision is fp16, which needs a GPU, but none is available; "
            "use bf16 on a CPU"
        )
    if not examples or not validation:
        part = "validation" if examples else "training"
        raise StageError(f"there are no {part} rows: give the task more rows or change its split")

    # Prepare the network.
    set_dropout(network, training.dropout)
    if training.trainable_layers is not None or training.lora is not None:
        freeze(network, training.trainable_layers or sys.maxsize)
    adapted = adapt(network, training.lora) if training.lora is not None else None

    # Train.
    best = _BestWeights(network, training.early_stopping_patience)
    counted = progress("train", training.max_steps, "steps")
    with tempfile.TemporaryDirectory() as scratch, counted as bar:
        trainer = _Trainer(
            model=_LossModule(network, loss),
            args=_arguments(training, runtime, scratch),
            train_dataset=list(examples),
            eval_dataset=sorted(validation, key=_length),
            data_collator=collate,
            callbacks=[best, _Steps(bar)],
        )
        trainer.training, trainer.runtime = training, runtime
        trainer.remove_callback(PrinterCallback)  # prevent the Trainer from printing its logs
        trainer.train()

    # Restore the weights of the best evaluation.
    if not best.weights:
        raise StageError(
            "the validation loss is not a number: use a lower learning_rate or max_grad_norm"
        )
    network.load_state_dict(best.weights, strict=False)
    if adapted is not None:
        merge(adapted)
    network.to("cpu").eval()
    return _history(trainer.state.log_history)


class _LossModule(nn.Module):
    """A network and its loss: `forward` returns the loss of a batch, a scalar."""

    def __init__(self, network: Any, loss: Loss) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        return self.loss(self.network, batch, smoothing)


class _Trainer(Trainer):  # type: ignore[misc]
    """A Trainer with a custom loss, L1 regularization, and a `LengthGroupedSampler`."""

    training: TrainingParams
    runtime: Runtime
    # a loss is the mean over its batch, so the Trainer has to divide it by the number of
    # accumulated batches
    loss_is_scaled_for_ga = False

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        loss = model(inputs, self.training.label_smoothing)
        if self.training.l1:
            # biases and normalization weights are excluded from L1 regularization, as they are from
            # AdamW's weight decay
            weights = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
            loss = loss + self.training.l1 * torch.stack([w.abs().sum() for w in weights]).sum()
        return loss

    def prediction_step(
        self,
        model: Any,
        inputs: dict[str, Tensor],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[Tensor, None, None]:
        with torch.no_grad():
            return model(self._prepare_inputs(inputs), 0.0).detach(), None, None

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        seed = self.runtime.seed if self.args.world_size > 1 else None
        lengths = [_length(e) for e in self.train_dataset]
        return LengthGroupedSampler(lengths, self.args.train_batch_size, seed=seed)


class _BestWeights(TrainerCallback):  # type: ignore[misc]
    """Early stopping that keeps the trainable weights with the lowest validation loss.

    Training stops after `patience` consecutive evaluations without improvement.
    """

    def __init__(self, network: nn.Module, patience: int) -> None:
        self.network = network
        self.patience = patience
        self.loss = math.inf
        self.weights: dict[str, Tensor] = {}
        self.evaluations_since_best = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # The last step is evaluated even if it is not a multiple of eval_steps; log its loss too.
        control.should_log = control.should_log or control.should_evaluate

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any
    ) -> None:
        self.evaluations_since_best += 1
        if metrics["eval_loss"] < self.loss:
            self.loss, self.evaluations_since_best = metrics["eval_loss"], 0
            named = self.network.named_parameters()
            self.weights = {n: p.detach().clone() for n, p in named if p.requires_grad}
        if self.evaluations_since_best >= self.patience:
            control.should_training_stop = True


class _Steps(TrainerCallback):  # type: ignore[misc]
    """Show the number of steps and the latest losses in the progress bar."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.losses: dict[str, float] = {}

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar.update(**self.losses)

    def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar.update(0)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        names = {"loss": "loss", "eval_loss": "validation loss"}
        self.losses |= {names[key]: value for key, value in logs.items() if key in names}


def _length(example: Mapping[str, Any]) -> int:
    return len(example["input_ids"])


def _arguments(training: TrainingParams, runtime: Runtime, scratch: str) -> TrainingArguments:
    return TrainingArguments(
        output_dir=scratch,
        max_steps=training.max_steps,
        per_device_train_batch_size=training.batch_size,
        per_device_eval_batch_size=training.batch_size * 2,
        gradient_accumulation_steps=training.gradient_accumulation_steps,
        learning_rate=training.learning_rate,
        lr_scheduler_type=training.lr_scheduler_type,
        warmup_steps=round(training.warmup_ratio * training.max_steps),
        max_grad_norm=training.max_grad_norm,
        weight_decay=training.weight_decay,
        optim=OPTIMIZERS[training.optimizer],
        remove_unused_columns=False,
        eval_strategy="steps",
        logging_strategy="steps",
        save_strategy="no",
        eval_steps=training.eval_steps,
        logging_steps=training.eval_steps,
        logging_nan_inf_filter=False,
        prediction_loss_only=True,
        seed=runtime.seed,
        use_cpu=runtime.device == "cpu",
        bf16=runtime.precision == "bf16",
        fp16=runtime.precision == "fp16",
        dataloader_pin_memory=False,
        report_to="none",
        disable_tqdm=True,
    )


def _history(log: list[dict[str, float]]) -> list[dict[str, float]]:
    """One entry per evaluation: step, training loss, validation loss and learning rate."""
    by_step: dict[int, dict[str, float]] = {}
    for entry in log:
        evaluation = by_step.setdefault(int(entry["step"]), {"step": int(entry["step"])})
        if "eval_loss" in entry:
            evaluation["validation_loss"] = entry["eval_loss"]
        elif "loss" in entry:
            evaluation |= {"train_loss": entry["loss"], "learning_rate": entry["learning_rate"]}
    return [entry for entry in by_step.values() if set(HISTORY_COLUMNS) == set(entry)]
