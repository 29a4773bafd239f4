"""The architecture, without weights, of an encoder–decoder that is trained from scratch.

The stage `train` learns the vocabulary from the training rows, and creates the weights, whose
number depends on the size of the vocabulary.
"""

from pathlib import Path

from pydantic import Field

from tandem.core.params import Runtime
from tandem.pretrained import WeightsParams
from tandem.pretrained.common.model_files import sanitize_configs


class Params(WeightsParams):
    """The dimensions of the network."""

    d_model: int = Field(ge=8)
    """Hidden size; a multiple of `attention_heads`."""
    ffn_dim: int = Field(ge=8)
    """Inner size of the feed-forward blocks."""
    attention_heads: int = Field(ge=1)
    """Number of attention heads per layer."""
    encoder_layers: int = Field(ge=1)
    """Number of layers in the encoder."""
    decoder_layers: int = Field(ge=1)
    """Number of layers in the decoder."""
    max_position_embeddings: int = Field(ge=8)
    """Maximum number of tokens in an input or output."""


def write(params: Params, folder: Path, runtime: Runtime) -> None:
    """Write config.json of a Marian transformer (Junczys-Dowmunt et al. 2018) to `folder`."""
    from transformers import MarianConfig

    MarianConfig(
        d_model=params.d_model,
        encoder_ffn_dim=params.ffn_dim,
        decoder_ffn_dim=params.ffn_dim,
        encoder_attention_heads=params.attention_heads,
        decoder_attention_heads=params.attention_heads,
        encoder_layers=params.encoder_layers,
        decoder_layers=params.decoder_layers,
        max_position_embeddings=params.max_position_embeddings,
        # Encoder, decoder and output layer share one embedding table, which contains most of the
        # weights if the network is small.
        share_encoder_decoder_embeddings=True,
        tie_word_embeddings=True,
        scale_embedding=True,
    ).save_pretrained(folder)
    sanitize_configs(folder)


def pins(params: Params) -> dict[str, str]:
    """Return a note instead of identifiers, because nothing is fetched."""
    return {"weights": "none; trained from scratch"}
