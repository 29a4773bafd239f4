"""The KL divergence of an aligned generator from its base model, over the aligned model's texts.

KL(aligned ‖ base) of whole texts is estimated by the mean, over texts sampled from the aligned
model, of the sum of the next-token divergences along each text. Each next-token divergence is
computed exactly, over the whole vocabulary, and only the texts are sampled. The estimate is
therefore unbiased and never negative, and has a lower variance than the mean log-ratio (Amini et
al., Better Estimation of the KL Divergence Between Language Models, 2025).
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tandem.core.progress import track
from tandem.modeling.batching import length_batches
from tandem.modeling.families.causal import POSITIONS, Model, next_tokens
from tandem.preferences.dpo import batch
from tandem.preferences.sampling import Sample


@torch.inference_mode()
def kl_divergence(
    aligned: Model, base: Model, samples: Sequence[Sample], batch_size: int
) -> NDArray[np.float64]:
    """The KL divergence along each completion, in nats, and the completion's number of tokens.

    The result has the shape (samples, 2).
    """
    table = np.zeros((len(samples), 2))
    sequences = [sample.prompt_ids + sample.completion_ids for sample in samples]
    for indices in track(
        length_batches(sequences, batch_size, longest_first=True), "compare models", unit="batches"
    ):
        chosen = [samples[index] for index in indices]
        lengths = [len(sample.completion_ids) for sample in chosen]
        by_sample = torch.split(_token_divergences(aligned, base, chosen), lengths)
        table[indices] = [[tokens.sum().item(), len(tokens)] for tokens in by_sample]
    return table


def _token_divergences(aligned: Model, base: Model, samples: Sequence[Sample]) -> Tensor:
    """The next-token divergence at each token of each completion; shape: (tokens,)."""
    tensors = batch(samples)
    models = (aligned, base)
    states = [next_tokens(m.network, tensors, tensors["completion_mask"])[0] for m in models]
    heads = [m.network.get_output_embeddings() for m in models]
    divergences = []
    # Only the logits of a few hundred positions are kept in memory at once.
    for chunk, base_chunk in zip(*(torch.split(s, POSITIONS) for s in states), strict=True):
        p, q = heads[0](chunk).log_softmax(-1), heads[1](base_chunk).log_softmax(-1)
        divergences.append((p.exp() * (p - q)).sum(-1))
    return torch.cat(divergences)
