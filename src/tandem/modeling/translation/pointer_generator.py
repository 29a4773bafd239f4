"""A Marian network that can copy: each token is generated, or copied from the input.

This is the pointer-generator of See, Liu & Manning 2017, "Get To The Point": P(token) = g ·
P_vocabulary + (1 − g) · attention over the input's tokens, where g is the probability of generating
the token. The attention also compares the last output token with the token before each input
position. Before training, this comparison dominates the attention, so an untrained network copies
the token that follows the last copied token (an induction head, Olsson et al. 2022). Copying begins
at the start of the draft translation, because the decoder's start token precedes the draft in the
input. If several positions match equally well, an untrained network prefers the position in the
draft that is closest to the current position in the output. Training therefore only has to teach
the network how to edit the draft.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import MarianConfig, MarianMTModel
from transformers.modeling_outputs import Seq2SeqLMOutput
from transformers.models.marian.modeling_marian import shift_tokens_right

IGNORED = -100
INITIAL_GATE = -1.0
"""Initial logit of generating a token, as opposed to copying it."""
MAX_OFFSET = 16
"""Distances between output and draft positions are clipped to this many tokens; the positions of
the source share one additional embedding."""
SLOPE = 0.5
"""Initial decrease of a position's attention logit per token of distance."""
EPSILON = 1e-9
"""Added to each probability before its logarithm is computed, because log 0 is −∞."""


class Pointer(nn.Module):
    """Attention over the input's tokens, and the probability of generating instead of copying."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.after = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, 1)
        self.offset = nn.Embedding(2 * MAX_OFFSET + 2, 1)

    def prefer_copying(self) -> None:
        """Initialize the weights to favor copying the token that follows the last copied token."""
        nn.init.eye_(self.after.weight)
        nn.init.constant_(self.gate.bias, INITIAL_GATE)
        distances = torch.arange(2 * MAX_OFFSET + 1).sub(MAX_OFFSET).abs()
        self.offset.weight.data[:, 0] = -SLOPE * torch.cat([distances, torch.tensor([MAX_OFFSET])])

    def keys(self, encoded: Tensor, before: Tensor) -> Tensor:
        """The attention keys of the input positions, of shape (batch, 2, source, width).

        The encoded input, `encoded`, and the embeddings of the token before each position,
        `before`, have the shape (batch, source, width).
        """
        return torch.stack((self.key(encoded), self.after(before)), dim=1)

    def forward(
        self, states: Tensor, last: Tensor, keys: Tensor, padding: Tensor, offsets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The attention over the input, and the probability of generating a token.

        Their shapes are (batch, target, source) and (batch, target, 1). `states`, the hidden states
        of the decoder, and `last`, the embeddings of the last output tokens, have the shape
        (batch, target, width); `padding` has the shape (batch, source), and `offsets` has the shape
        (batch, target, source).
        """
        scores = self.query(states) @ keys[:, 0].transpose(1, 2)
        scores = scores + last @ keys[:, 1].transpose(1, 2)
        scores = scores * states.shape[-1] ** -0.5 + self.offset(offsets).squeeze(-1)
        attention = scores.masked_fill(padding[:, None], -torch.inf).softmax(-1)
        return attention, self.gate(states).sigmoid()


class PointerGeneratorMarian(MarianMTModel):  # type: ignore[misc]
    """A MarianMTModel with a pointer, which can copy tokens from the input."""

    def __init__(self, config: MarianConfig) -> None:
        super().__init__(config)
        self.pointer = Pointer(config.d_model)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        past_key_values: Any = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        decoder_copy_ids: Tensor | None = None,
        decoder_copy_keys: Tensor | None = None,
        label_smoothing: float = 0.0,
        **kwargs: Any,
    ) -> Seq2SeqLMOutput:
        """Return log-probabilities as logits or, if `labels` are given, only the loss.

        The logits have the shape (batch, target, vocabulary). During generation, the encoder has
        already run, and `decoder_copy_ids`, of shape (batch, source), replaces `input_ids`;
        `encode_source` computes `decoder_copy_keys`, which do not depend on the output.
        """
        # Training passes `input_ids` and `labels`; generation passes `decoder_copy_ids`.
        copied = decoder_copy_ids if input_ids is None else input_ids
        if labels is not None:
            start = self.config.decoder_start_token_id
            decoder_input_ids = shift_tokens_right(labels, self.config.pad_token_id, start)
        if copied is None or decoder_input_ids is None:
            raise TypeError(
                "forward() needs input_ids or decoder_copy_ids, and labels or decoder_input_ids"
            )
        done = past_key_values.get_seq_length() if past_key_values is not None else 0
        outputs = self.model(
            input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=decoder_input_ids,
            decoder_attention_mask=decoder_attention_mask,
            encoder_outputs=encoder_outputs,
            past_key_values=past_key_values,
            use_cache=use_cache and labels is None,
            **kwargs,
        )

        # Compute both distributions: over the vocabulary, and over the positions of the input.
        states = outputs.last_hidden_state
        generated = (self.lm_head(states) + self.final_logits_bias).log_softmax(-1)
        if decoder_copy_keys is None:
            decoder_copy_keys = self._keys(outputs.encoder_last_hidden_state, copied)
        pointed, gate = self.pointer(
            states,
            self._embed(decoder_input_ids),
            decoder_copy_keys,
            copied.eq(self.config.pad_token_id),
            self._offsets(copied, decoder_input_ids.shape[1], done),
        )

        # The mixture of both distributions is computed over the whole vocabulary only if logits are
        # needed; the loss needs it only for the labels.
        loss = logits = None
        if labels is None:
            mixed = (generated.exp() * gate).scatter_add(
                -1, copied[:, None].expand_as(pointed), pointed * (1 - gate)
            )
            logits = (mixed + EPSILON).log()
        else:
            loss = _loss(generated, pointed, gate.squeeze(-1), copied, labels, label_smoothing)
        return Seq2SeqLMOutput(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            encoder_last_hidden_state=outputs.encoder_last_hidden_state,
        )

    def encode_source(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Any]:
        """The arguments of `generate` that are computed once per input, not once per token."""
        encoded = self.get_encoder()(input_ids=input_ids, attention_mask=attention_mask)
        return {
            "encoder_outputs": encoded,
            "decoder_copy_ids": input_ids,
            "decoder_copy_keys": self._keys(encoded.last_hidden_state, input_ids),
        }

    def _keys(self, encoded: Tensor, copied: Tensor) -> Tensor:
        """The attention keys of the input tokens `copied`, of shape (batch, 2, source, width)."""
        keys: Tensor = self.pointer.keys(encoded, self._embed(copied.roll(1, dims=1)))
        return keys

    def _offsets(self, copied: Tensor, length: int, done: int) -> Tensor:
        """An index into `Pointer.offset` for each output position and each input position.

        The result has the shape (batch, length, source). An index encodes how far a position in the
        draft is ahead of a position in the output. In the input, the draft follows the decoder's
        start token; `done` is the number of output tokens before those of this call.
        """
        begin = copied.eq(self.config.decoder_start_token_id).int().argmax(1, keepdim=True) + 1
        positions = torch.arange(copied.shape[1], device=copied.device) - begin
        current = torch.arange(done, done + length, device=copied.device)[:, None]
        ahead = (positions[:, None] - current).clamp(-MAX_OFFSET, MAX_OFFSET) + MAX_OFFSET
        return ahead.masked_fill(positions[:, None] < 0, 2 * MAX_OFFSET + 1)

    def _embed(self, ids: Tensor) -> Tensor:
        """The embeddings of `ids`, scaled as in the encoder to a norm of about √width."""
        embeddings: Tensor = self.model.shared(ids) * self.model.encoder.embed_scale
        return embeddings


def _loss(
    generated: Tensor,
    pointed: Tensor,
    gate: Tensor,
    copied: Tensor,
    labels: Tensor,
    smoothing: float,
) -> Tensor:
    """Mean negative log-probability of `labels`; label smoothing only uses `generated`.

    The probabilities of generating and of copying are only mixed for the labels, not for the whole
    vocabulary, which avoids a scatter operation.
    """
    counted = labels.ne(IGNORED)
    targets = labels.masked_fill(~counted, 0)
    generating = generated.gather(-1, targets[..., None]).squeeze(-1).exp()
    copying = (pointed * copied[:, None].eq(targets[..., None])).sum(-1)
    loss = -(gate * generating + (1 - gate) * copying + EPSILON).log()
    if smoothing:
        loss = (1 - smoothing) * loss - smoothing * generated.mean(-1)
    return loss[counted].mean()
