"""The tokens that source and target share: byte-level BPE, with placeholders and hyphens whole."""

import re
from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tandem.modeling.translation.placeholders import MARKS

HYPHEN = "@-@"
INNER_HYPHEN = re.compile(r"(?<=[\w}])-(?=[\w{])")
SPACED_HYPHEN = re.compile(rf" *{HYPHEN} *")
PAD, END, BREAK = "<pad>", "</s>", "<sep>"


def spaced(text: str) -> str:
    """`text` led by a space, each hyphen between its words as a token of its own.

    A second part is so written with the same tokens as the word alone, and can be copied: German
    joins with a hyphen what English only puts side by side.

    >>> spaced("WebDAV-Server")
    ' WebDAV @-@ Server'
    """
    return " " + INNER_HYPHEN.sub(f" {HYPHEN} ", text)


def unspaced(text: str) -> str:
    """The inverse of `spaced`."""
    return SPACED_HYPHEN.sub("-", text).strip()


def train_bpe(texts: Sequence[str], size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of `size` tokens, placeholders' numbers whole among them."""
    cutter = Tokenizer(models.BPE())
    cutter.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    cutter.decoder = decoders.ByteLevel()
    cutter.add_special_tokens([PAD, END, BREAK])
    cutter.add_tokens([AddedToken(mark, normalized=False) for mark in MARKS])
    cutter.add_tokens([AddedToken(HYPHEN, normalized=False, lstrip=True)])
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, END, BREAK],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    cutter.train_from_iterator(map(spaced, texts), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=cutter,
        pad_token=PAD,
        eos_token=END,
        sep_token=BREAK,
        clean_up_tokenization_spaces=False,
    )
