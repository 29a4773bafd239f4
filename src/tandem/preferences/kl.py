"""How far a generator has moved: the KL divergence from what it was, over its own texts.

KL(moved ‖ base) of whole texts is the mean, over texts drawn from the moved model, of the sum of
the next-token divergences along each text. Each of these is computed exactly over the vocabulary
and only the texts are sampled, so the estimate is unbiased, never negative, and varies less than
the mean log-ratio (Amini et al., Better Estimation of the KL Divergence Between Language Models,
2025).
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tandem.core.progress import track
from tandem.modeling.families.causal import POSITIONS, Model, by_length, next_tokens
from tandem.preferences.dpo import batch
from tandem.preferences.sampling import Sample


@torch.inference_mode()
def kl_divergence(
    moved: Model, base: Model, samples: Sequence[Sample], batch_size: int
) -> NDArray[np.float64]:
    """(samples, 2): KL in nats summed along what `moved` drew, and the number of tokens drawn."""
    found = np.zeros((len(samples), 2))
    sequences = [sample.prompt + sample.drawn for sample in samples]
    for places in track(by_length(sequences, batch_size), "compare models", unit="batches"):
        chosen = [samples[place] for place in places]
        lengths = [len(sample.drawn) for sample in chosen]
        pieces = torch.split(_by_token(moved, base, chosen), lengths)
        found[places] = [[piece.sum().item(), len(piece)] for piece in pieces]
    return found


def _by_token(moved: Model, base: Model, samples: Sequence[Sample]) -> Tensor:
    """The divergence before each drawn token, sample by sample: (tokens,)."""
    tensors = batch(samples)
    states = [next_tokens(m.network, tensors, tensors["drawn"])[0] for m in (moved, base)]
    heads = [m.network.get_output_embeddings() for m in (moved, base)]
    found = []
    for ours, theirs in zip(*(torch.split(s, POSITIONS) for s in states), strict=True):
        p, q = heads[0](ours).log_softmax(-1), heads[1](theirs).log_softmax(-1)
        found.append((p.exp() * (p - q)).sum(-1))
    return torch.cat(found)
