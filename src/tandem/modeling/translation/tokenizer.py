"""The tokenizer of source and target: byte-level BPE, with placeholders and hyphens as tokens."""

import re
from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tandem.modeling.translation.placeholders import MARKS

HYPHEN = "@-@"
INNER_HYPHEN = re.compile(r"(?<=[\w}])-(?=[\w{])")
SPACED_HYPHEN = re.compile(rf" *{HYPHEN} *")
PAD, EOS, SEPARATOR = "<pad>", "</s>", "<sep>"


def split_hyphens(text: str) -> str:
    """Prepend a space to `text`, and make each hyphen between words a separate token.

    The part after a hyphen then has the same tokens as the stand-alone word, so it can be copied:
    words that are separate in English are often joined by a hyphen in German.

    >>> split_hyphens("WebDAV-Server")
    ' WebDAV @-@ Server'
    """
    return " " + INNER_HYPHEN.sub(f" {HYPHEN} ", text)


def join_hyphens(text: str) -> str:
    """The inverse of `split_hyphens`."""
    return SPACED_HYPHEN.sub("-", text).strip()


def train_bpe(texts: Sequence[str], size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer of `size` tokens, with a token per numbered placeholder."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([PAD, EOS, SEPARATOR])
    tokenizer.add_tokens([AddedToken(mark, normalized=False) for mark in MARKS])
    tokenizer.add_tokens([AddedToken(HYPHEN, normalized=False, lstrip=True)])
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, EOS, SEPARATOR],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(map(split_hyphens, texts), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        sep_token=SEPARATOR,
        clean_up_tokenization_spaces=False,
    )
