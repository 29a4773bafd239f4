"""Greedy search that removes texts from the batch once they have ended.

Most texts in a batch are shorter than the longest one, but transformers' `generate` computes
tokens for all texts until the longest one has ended. As in fairseq (Ott et al. 2019, "fairseq: A
Fast, Extensible Toolkit for Sequence Modeling"), this module removes finished texts from the batch.
The output is the same as that of `generate`.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import NoRepeatNGramLogitsProcessor

from tandem.modeling.translation.placeholders import PlaceholderConstraint
from tandem.modeling.translation.pointer_generator import PointerGeneratorMarian


@torch.inference_mode()
def greedy_search(
    network: PointerGeneratorMarian, batch: Any, constraint: PlaceholderConstraint
) -> Tensor:
    """The token ids that greedy search generates, padded to the shape (batch, length).

    Args:
        network: the translator.
        batch: `input_ids` and `attention_mask`, each of shape (batch, source).
        constraint: determines how often each translation contains each placeholder; when a text has
            ended, its row in the tensors of the constraint is removed.
    """
    config: Any = network.generation_config
    repetition = NoRepeatNGramLogitsProcessor(config.no_repeat_ngram_size)
    source = network.encode_source(**batch)
    encoded = source.pop("encoder_outputs").last_hidden_state
    source["attention_mask"] = batch["attention_mask"]
    tokens = torch.full((len(encoded), int(constraint.max_lengths.max())), config.pad_token_id)
    tokens[:, 0] = config.decoder_start_token_id

    rows, cache = torch.arange(len(encoded)), None  # indices of the texts that have not ended
    for position in range(1, tokens.shape[1]):
        prefix = tokens[rows, :position]
        output = network(
            decoder_input_ids=prefix[:, -1:],
            past_key_values=cache,
            encoder_outputs=(encoded,),
            use_cache=True,
            **source,
        )
        cache = output.past_key_values
        best = constraint(prefix, repetition(prefix, output.logits[:, -1])).argmax(-1)
        tokens[rows, position] = best
        # Remove the texts that have ended from the inputs of the next step.
        unfinished = best.ne(constraint.end)
        if not unfinished.any():
            break
        if not unfinished.all():
            rows, encoded = rows[unfinished], encoded[unfinished]
            source = {name: tensor[unfinished] for name, tensor in source.items()}
            cache.batch_select_indices(unfinished)
            constraint.keep_rows(unfinished)
    return tokens
