"""Texts of four domains, each rated from -4 to 4 by 15 to 99 people (vaderSentiment's sdist).

A record: id "movie/3", group "movie/3", domain "movie", text "Effective but too tepid biopic",
ratings [-1, 0, -1, …], label "negative". One corpus serves sentiment, generation and reward, so
their ids and groups are the same, and with them their split.
"""

import json
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tandem.corpora import CorpusParams
from tandem.downloads.archive import Archive, open_archive
from tandem.sources import DatasetInfo, RawRecords, Unreadable

Domain = Literal["movie", "amazon", "nyt", "tweets"]

FILES = {
    "movie": "movieReviewSnippets",
    "amazon": "amazonReviewSnippets",
    "nyt": "nytEditorialSnippets",
    "tweets": "tweets",
}


class Params(CorpusParams):
    """Which texts, and where neutral ends."""

    domains: list[Domain] = Field(min_length=1)
    threshold: float = Field(
        default=0.5, gt=0, lt=4, description="smallest mean rating of a positive text"
    )


def rows(params: Params, archive: Archive) -> RawRecords:
    """The records of the chosen domains, in the order of their files."""
    (inner,) = [name for name in archive.names if name.endswith("/hutto_ICWSM_2014.tar.gz")]
    tables = open_archive(archive.read(inner), inner)
    for domain in params.domains:
        yield from _domain(domain, tables, params.threshold)


def _domain(domain: str, tables: Archive, threshold: float) -> RawRecords:
    """Texts and ratings stand in two files, not in the same order: they are joined by id."""
    name = f"hutto_ICWSM_2014/{FILES[domain]}"
    ratings = {cells[0]: cells[-1] for cells in _lines(tables, f"{name}_anonDataRatings.txt", 4)}
    for key, _, text in _lines(tables, f"{name}_GroundTruth.txt", 3):
        if key not in ratings:
            yield Unreadable("no_ratings", text)
            continue
        rated = json.loads(ratings[key])
        # amazon's and nyt's ids are DOCUMENT_SENTENCE; the others' texts stand alone.
        yield {
            "id": f"{domain}/{key}",
            "group": f"{domain}/{key.partition('_')[0]}",
            "domain": domain,
            "text": text,
            "ratings": rated,
            "label": label(sum(rated) / len(rated), threshold),
        }


def label(mean: float, threshold: float) -> str:
    """The class of a mean rating.

    The files give means too, but 199 tweets' differ from file to file: the ratings decide.
    """
    if mean >= threshold:
        return "positive"
    return "negative" if mean <= -threshold else "neutral"


def _lines(tables: Archive, name: str, cells: int) -> Iterator[list[str]]:
    """The cells of each line; quotes mean nothing in these files."""
    for line in tables.read(name).decode("utf-8-sig").split("\r\n"):
        if line:
            yield line.split("\t", cells - 1)


def about(params: Params) -> DatasetInfo:
    """What the data card tells."""
    return DatasetInfo(
        title="VADER ratings",
        description=(
            "Sentences of film reviews, product reviews, newspaper editorials and tweets, each "
            "with 15 to 99 single human ratings of its sentiment, from -4 to 4. Classes come from "
            f"the mean rating: positive from {params.threshold}, negative from "
            f"-{params.threshold}, else neutral. Domains here: {', '.join(params.domains)}."
        ),
        license="mit",
        languages=["en"],
        citation=(
            "C.J. Hutto and Eric Gilbert (2014). VADER: A Parsimonious Rule-based Model for "
            "Sentiment Analysis of Social Media Text. Eighth International Conference on Weblogs "
            "and Social Media (ICWSM-14). Ann Arbor, MI."
        ),
        limits=[
            "Collected before 2014, in English, rated by crowd workers.",
            "Film reviews are single sentences whose review is not known: sentences of one review "
            "may fall into different splits.",
            "The tweets are those that the VADER lexicon was made with, which flatters it there.",
            "A class is cut out of a continuous mean: near the threshold people disagree.",
        ],
    )
