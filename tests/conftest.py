"""Rows with sentiment ratings from VADER, and models small enough to train in a second."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tandem.core import paths
from tandem.core.rows import write_rows
from tandem.tasks.generation import GenerationRow
from tandem.tasks.sentiment import SentimentRow

# Let processes that tests start write bytecode files, so that later processes do not compile the
# same modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# On a busy machine, an example can exceed Hypothesis's default deadline of 200 milliseconds.
settings.register_profile("tandem", deadline=None)
settings.load_profile("tandem")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the tests with the longest timeouts first, so that none runs alone at the end."""

    def timeout(item: pytest.Item) -> float:
        marker = item.get_closest_marker("timeout")
        return float(marker.args[0]) if marker else 0.0

    items.sort(key=timeout, reverse=True)


# Rows from the VADER ratings (Hutto & Gilbert, ICWSM 2014; MIT license): id, text, all ratings.
# Within a domain, positive and negative texts alternate.
RATED = [
    ("movie/4048", "A gem of a movie.", "3 3 2 3 1 3 2 3 2 3 2 1 3 4 3 3 4"),
    ("movie/6773", "Do not see this film.", "-3 -4 -4 -4 -1 -3 -3 -4 -3 -3 -1 -3 -3 -4 -3 -2 -4"),
    ("movie/367", "Go see it and enjoy.", "2 3 3 2 1 2 2 2 2 2 1 3 3 2 1 3"),
    ("movie/9964", "All mood and no movie.", "-1 -3 -2 -1 -3 -2 -1 -1 -1 -2 -3 -2 -3 -2 -1"),
    ("movie/2729", "It is quite a vision.", "2 2 2 1 3 3 3 3 1 3 1 1 4 2 2 3 0 2"),
    ("movie/10373", "Doesn't add up to much.", "-2 -2 -2 -2 -1 -1 -2 -2 -2 -2 -1 -2 -1 -2 -2"),
    ("movie/3426", "What I saw, I enjoyed.", "1 2 1 1 2 1 2 2 2 1 1 2 3 1 2 1 2 2"),
    ("movie/5608", "Low rent from frame one.", "-4 -1 -3 -3 -1 -4 -3 -3 -2 -4 -2 1 -4 -3 -3"),
    ("movie/3906", "A film of quiet power.", "3 1 1 3 2 1 3 1 1 1 2 2 2 1 3 3 3 2"),
    ("movie/10375", "A complete waste of time.", "-4 -4 -3 -3 -4 -4 -3 -4 -4 -4 -4 -3 -3 -4 -4"),
    ("movie/10328", "Catch it... if you can!", "2 2 0 2 1 2 3 2 1 3 1 1 0 2 1 1 2 2 1 3"),
    ("movie/5860", "It's just not very smart.", "-1 -2 -1 -2 -1 -2 -1 -2 -2 -3 -2 0 -2 -1 -2"),
    ("movie/10416", "... wise and elegiac ...", "2 2 3 2 4 3 2 3 3 2 2 2 2 2 1 3 3"),
    (
        "movie/8585",
        "Death might be a release.",
        "-4 -4 0 -3 -4 -4 -4 -3 0 -3 -4 -4 -4 -4 -2 -3 -4 -4 -3",
    ),
    ("movie/1061", "A smart, witty follow up.", "1 1 2 2 1 3 1 2 2 2 2 1 2 2 2"),
    (
        "movie/5677",
        "Boy oh boy, it's a howler.",
        "-2 -2 -2 -2 -1 -2 3 -2 1 -3 -1 -3 -3 -2 -1 -3 -2 -3 -2",
    ),
    ("tweets/3682", "Is enjoying the ride :D", "2 2 3 2 2 2 1 2 2 3 2 2 2 1 3 1 2 2 2 2"),
    (
        "tweets/1515",
        "Laptop I hate you at times.",
        "-2 -2 -2 -2 -3 -2 -2 -2 -2 -1 -2 -2 -2 -2 -1 -1 -2 -2 -2 -2",
    ),
    ("tweets/1416", "LOVE the Google site today.", "4 3 3 4 2 3 4 3 3 3 3 3 3 2 3 3 3 3 4 2"),
    (
        "tweets/1124",
        "some people really annoy me.",
        "-3 -2 -2 -1 -3 -3 -1 -2 -2 0 -2 -2 -3 -3 -2 -2 -2 -2 -1 -3",
    ),
    ("tweets/3536", "Thanks for the luck everyone!", "2 2 2 2 3 3 2 3 3 1 2 2 2 3 2 2 3 3 2 2"),
    (
        "tweets/1029",
        "the wind today is COMPLETELY insane.",
        "-3 -2 -3 -3 -1 -2 -2 2 -1 -2 -2 -1 0 -2 -3 -2 -2 -3 -2 -1",
    ),
    (
        "tweets/1152",
        "Downton Abbey. I am so happy!!",
        "2 2 2 1 3 2 3 2 3 2 3 2 2 3 3 4 2 3 2 2",
    ),
    (
        "tweets/3388",
        "Longest day of work everrrrrr ugh",
        "-3 -2 -3 -2 -3 -1 -3 -2 -2 -3 -3 -2 -1 -3 -2 -1 -2 -2 -3 -2",
    ),
]

ROWS_PER_SPLIT = {"train": 4, "validation": 2, "test": 2}
"""How many of every eight consecutive rows each split gets."""


@pytest.fixture(scope="session")
def rated() -> list[GenerationRow]:
    return [
        GenerationRow(
            id=name,
            group=name,
            domain=name.split("/")[0],
            text=text,
            ratings=tuple(int(rating) for rating in ratings.split()),
        )
        for name, text, ratings in RATED
    ]


@pytest.fixture(scope="session")
def splits(rated: list[GenerationRow]) -> dict[str, list[GenerationRow]]:
    """Each split contains positive and negative rows from both domains, `movie` and `tweets`."""
    names = [name for name, count in ROWS_PER_SPLIT.items() for _ in range(count)]
    return {
        split: [row for index, row in enumerate(rated) if names[index % 8] == split]
        for split in ROWS_PER_SPLIT
    }


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, rated: list[GenerationRow]) -> Path:
    """A folder with the untrained models `generator` and `encoder`, which share a BPE tokenizer."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    bpe = ByteLevelBPETokenizer()
    texts = [row.text for row in rated]
    bpe.train_from_iterator(texts, vocab_size=300, special_tokens=["<pad>", "<s>", "</s>"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64}
    torch.manual_seed(0)
    llama = LlamaConfig(
        **sizes,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    bert = BertConfig(**sizes, num_hidden_layers=2, num_attention_heads=4, num_labels=3)
    folder = tmp_path_factory.mktemp("tiny")
    for name, network in {
        "generator": LlamaForCausalLM(llama),
        "encoder": BertForSequenceClassification(bert),
    }.items():
        network.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder


def _labeled(row: GenerationRow) -> SentimentRow:
    label = "positive" if sum(row.ratings) > 0 else "negative"
    return SentimentRow(
        id=row.id,
        group=row.group,
        domain=row.domain,
        text=row.text,
        label=label,
        ratings=row.ratings,
    )


@pytest.fixture
def rated_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, splits: dict[str, list[GenerationRow]]
) -> Path:
    """A project in the current folder, with the splits of two tasks that share a source."""
    monkeypatch.chdir(tmp_path)
    for task in ("generation", "sentiment"):
        paths.split(task).mkdir(parents=True)
    for name, rows in splits.items():
        movies = [row for row in rows if row.domain == "movie"]
        write_rows(paths.split("generation") / f"{name}.parquet", movies, GenerationRow)
        labeled = [_labeled(row) for row in rows]
        write_rows(paths.split("sentiment") / f"{name}.parquet", labeled, SentimentRow)
    return tmp_path
