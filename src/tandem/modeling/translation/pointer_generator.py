"""A Marian network that may copy: each next token is generated or taken from its input.

The pointer-generator of See, Liu & Manning 2017, "Get To The Point": P(token) = g · P_vocabulary +
(1 − g) · attention over the input's tokens. The attention also compares the last token of the
output with the token before each place of the input, and starts as just that comparison: an
untrained network goes on copying where it copied last (an induction head, Olsson et al. 2022),
from the token after the one that the output starts with. Of like places it takes the one that
stands in the draft where the output is. Training then is learning to edit.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import MarianConfig, MarianMTModel
from transformers.modeling_outputs import Seq2SeqLMOutput
from transformers.models.marian.modeling_marian import shift_tokens_right

IGNORED = -100
COPYING = -1.0
"""Logit of generating rather than copying, before training."""
FAR = 16
"""Tokens ahead or behind, at which a draft's place counts as far; the source is one place more."""
SLOPE = 0.5
"""What a token's distance takes off its logit before training."""
EPSILON = 1e-9
"""Added to a probability before its logarithm."""


class Pointer(nn.Module):
    """Where to copy from, and whether to."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.after = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, 1)
        self.offset = nn.Embedding(2 * FAR + 2, 1)

    def start_copying(self) -> None:
        """Before training: go on where the last token was copied from, and seldom generate."""
        nn.init.eye_(self.after.weight)
        nn.init.constant_(self.gate.bias, COPYING)
        distances = torch.arange(2 * FAR + 1).sub(FAR).abs()
        self.offset.weight.data[:, 0] = -SLOPE * torch.cat([distances, torch.tensor([FAR])])

    def keys(self, encoded: Tensor, before: Tensor) -> Tensor:
        """What each place of the input is found by, (batch, 2, source, width).

        The `encoded` input and the embeddings of the tokens `before` each place are (batch, source,
        width).
        """
        return torch.stack((self.key(encoded), self.after(before)), dim=1)

    def forward(
        self, states: Tensor, last: Tensor, keys: Tensor, padding: Tensor, offsets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Attention, (batch, target, source), and the chance to generate, (batch, target, 1).

        `states` and the `last` tokens' embeddings are (batch, target, width), `padding` is
        (batch, source) and `offsets` (batch, target, source).
        """
        scores = self.query(states) @ keys[:, 0].transpose(1, 2)
        scores = scores + last @ keys[:, 1].transpose(1, 2)
        scores = scores * states.shape[-1] ** -0.5 + self.offset(offsets).squeeze(-1)
        attention = scores.masked_fill(padding[:, None], -torch.inf).softmax(-1)
        return attention, self.gate(states).sigmoid()


class PointerGeneratorMarian(MarianMTModel):  # type: ignore[misc]
    """MarianMTModel with a pointer; `decoder_copy_ids` is what may be copied, (batch, source)."""

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
        """The logits, (batch, target, vocabulary), are log-probabilities; with `labels`, the loss.

        In generation the encoder has run already, and `decoder_copy_ids` stands for `input_ids`;
        `decoder_copy_keys`, the same for all tokens, are those that `look` made.
        """
        copied = decoder_copy_ids if input_ids is None else input_ids
        if labels is not None:
            start = self.config.decoder_start_token_id
            decoder_input_ids = shift_tokens_right(labels, self.config.pad_token_id, start)
        if copied is None or decoder_input_ids is None:
            raise TypeError("needs input_ids or decoder_copy_ids, and labels or decoder_input_ids")
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

    def look(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Any]:
        """What `generate` needs to know of an input once, and not again for every token."""
        encoded = self.get_encoder()(input_ids=input_ids, attention_mask=attention_mask)
        return {
            "encoder_outputs": encoded,
            "decoder_copy_ids": input_ids,
            "decoder_copy_keys": self._keys(encoded.last_hidden_state, input_ids),
        }

    def _keys(self, encoded: Tensor, copied: Tensor) -> Tensor:
        """The pointer's keys of the `copied` tokens, (batch, 2, source, width)."""
        keys: Tensor = self.pointer.keys(encoded, self._embed(copied.roll(1, dims=1)))
        return keys

    def _offsets(self, copied: Tensor, length: int, done: int) -> Tensor:
        """How far each place of the draft is ahead of each of the output's, as `offset` counts.

        The draft begins after the token that the output starts with. (batch, `length`, source).
        """
        begin = copied.eq(self.config.decoder_start_token_id).int().argmax(1, keepdim=True) + 1
        places = torch.arange(copied.shape[1], device=copied.device) - begin
        now = torch.arange(done, done + length, device=copied.device)[:, None]
        ahead = (places[:, None] - now).clamp(-FAR, FAR) + FAR
        return ahead.masked_fill(places[:, None] < 0, 2 * FAR + 1)

    def _embed(self, ids: Tensor) -> Tensor:
        """Embeddings as the encoder takes them, each of length √width about."""
        found: Tensor = self.model.shared(ids) * self.model.encoder.embed_scale
        return found


def _loss(
    generated: Tensor,
    pointed: Tensor,
    gate: Tensor,
    copied: Tensor,
    labels: Tensor,
    smoothing: float,
) -> Tensor:
    """Mean negative log-probability of `labels`, smoothed over the generated part.

    Only the labels' own probabilities are mixed, so the vocabulary is never scattered into.
    """
    known = labels.ne(IGNORED)
    wanted = labels.masked_fill(~known, 0)
    own = generated.gather(-1, wanted[..., None]).squeeze(-1).exp()
    hits = (pointed * copied[:, None].eq(wanted[..., None])).sum(-1)
    loss = -(gate * own + (1 - gate) * hits + EPSILON).log()
    if smoothing:
        loss = (1 - smoothing) * loss - smoothing * generated.mean(-1)
    return loss[known].mean()
