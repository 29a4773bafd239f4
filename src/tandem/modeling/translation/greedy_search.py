"""Greedy search that stops computing a text once it has ended.

In a batch few texts are as long as the longest, yet `generate` of transformers carries all of them
to its end. Here those that have ended leave the batch, as in fairseq (Ott et al. 2019, "fairseq: A
Fast, Extensible Toolkit for Sequence Modeling"). The answers are those of `generate`.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import NoRepeatNGramLogitsProcessor

from tandem.modeling.translation.placeholders import PlaceholderConstraint
from tandem.modeling.translation.pointer_generator import PointerGeneratorMarian


@torch.inference_mode()
def greedy_search(
    network: PointerGeneratorMarian, batch: Any, keep: PlaceholderConstraint
) -> Tensor:
    """Token ids of the likeliest next tokens, padded, (batch, length)."""
    settings: Any = network.generation_config
    unlooped = NoRepeatNGramLogitsProcessor(settings.no_repeat_ngram_size)
    seen = network.look(**batch)
    encoded = seen.pop("encoder_outputs").last_hidden_state
    seen["attention_mask"] = batch["attention_mask"]
    found = torch.full((len(encoded), int(keep.longest.max())), settings.pad_token_id)
    found[:, 0] = settings.decoder_start_token_id
    rows, past = torch.arange(len(encoded)), None
    for place in range(1, found.shape[1]):
        so_far = found[rows, :place]
        output = network(
            decoder_input_ids=so_far[:, -1:],
            past_key_values=past,
            encoder_outputs=(encoded,),
            use_cache=True,
            **seen,
        )
        past = output.past_key_values
        best = keep(so_far, unlooped(so_far, output.logits[:, -1])).argmax(-1)
        found[rows, place] = best
        going = best.ne(keep.end)
        if not going.any():
            break
        if not going.all():
            rows, encoded = rows[going], encoded[going]
            seen = {name: tensor[going] for name, tensor in seen.items()}
            past.batch_select_indices(going)
            keep.leave(going)
    return found
