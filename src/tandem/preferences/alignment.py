"""Align a generator by DPO on its own samples, and measure the change on new samples."""

from collections.abc import Mapping, Sequence
from typing import Any

from tandem.core.determinism import derived_seed
from tandem.core.params import Runtime
from tandem.core.rows import Row
from tandem.modeling.training.trainer import fit
from tandem.preferences import completions, dpo
from tandem.preferences.params import AlignmentParams
from tandem.preferences.reward_model import RewardModel


def align(
    task_name: str,
    base: Any,
    aligned: Any,
    reward: RewardModel,
    prompts: Mapping[str, Sequence[Row]],
    params: AlignmentParams,
    runtime: Runtime,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Train `aligned` in place.

    Args:
        task_name: the name of the task, from which the seeds of the samples are derived.
        base: the generator that writes the samples to train on; `aligned` must stay close to it.
        aligned: a copy of `base`, which this function trains.
        reward: the model that ranks the samples.
        prompts: for each of the splits `train` and `validation`, the rows that provide prompts.
        params: the numbers of samples and pairs, and the params of training.
        runtime: the seed, and the settings of training, such as the device.

    Returns:
        The losses by step, and the metrics of both generators.
    """

    def sample(model: Any, split: str, name: str) -> completions.Completions:
        repeated = [row for row in prompts[split] for _ in range(params.samples_per_prompt)]
        seed = derived_seed(runtime.seed, task_name, "align", name)
        return completions.sample_completions(model, repeated, params.generation, reward, seed)

    # Sample from the base model, and rank each prompt's samples by reward.
    written = {split: sample(base, split, split) for split in prompts}
    counts = params.samples_per_prompt, params.pairs_per_prompt
    pairs = {
        name: dpo.ranked(sampled.samples, sampled.rewards, *counts)
        for name, sampled in written.items()
    }

    # Train on the pairs.
    loss = dpo.loss(params.beta, params.sft_weight)
    train, validation = pairs["train"], pairs["validation"]
    history = fit(aligned.network, loss, train, validation, dpo.collate, params, runtime)

    # Measure the change on new samples for the validation prompts.
    after = sample(aligned, "validation", "aligned")
    kl = completions.kl_from_base(aligned, base, after, params.generation.batch_size, runtime)
    return history, {
        "prompts": len(prompts["train"]),
        "pairs": len(train),
        "base": completions.summarize(written["validation"], runtime),
        "aligned": completions.summarize(after, runtime) | kl,
    }
