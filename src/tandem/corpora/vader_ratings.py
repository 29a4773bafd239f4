"""Texts from four domains, read from the sdist of vaderSentiment; each text has 15 to 99 ratings.

An example record: id "movie/3", group "movie/3", domain "movie", text "Effective but too tepid
biopic", ratings [-1, 0, -1, …] from -4 to 4, label "negative". Several tasks use this corpus with
the same ids and groups, so that these tasks also have the same splits.
"""

import json
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tandem.core.raw_records import DatasetInfo, RawRecords, Unreadable
from tandem.corpora import CorpusParams
from tandem.downloads.archive import Archive, open_archive

Domain = Literal["movie", "amazon", "nyt", "tweets"]

FILES = {
    "movie": "movieReviewSnippets",
    "amazon": "amazonReviewSnippets",
    "nyt": "nytEditorialSnippets",
    "tweets": "tweets",
}


class Params(CorpusParams):
    """The domains to read, and the threshold that separates the classes."""

    domains: list[Domain] = Field(min_length=1)
    """Domains to read."""
    threshold: float = Field(default=0.5, gt=0, lt=4)
    """Minimum mean rating of a positive text."""


def rows(params: Params, archive: Archive) -> RawRecords:
    """Yield the records of each domain, in the order in which its file lists the texts."""
    (inner,) = [name for name in archive.names if name.endswith("/hutto_ICWSM_2014.tar.gz")]
    tables = open_archive(archive.read(inner), inner)
    for domain in params.domains:
        yield from _domain(domain, tables, params.threshold)


def _domain(domain: str, tables: Archive, threshold: float) -> RawRecords:
    """Join the texts and ratings of a domain by id, because their files are ordered differently."""
    name = f"hutto_ICWSM_2014/{FILES[domain]}"
    ratings = {cells[0]: cells[-1] for cells in _lines(tables, f"{name}_anonDataRatings.txt", 4)}
    for key, _, text in _lines(tables, f"{name}_GroundTruth.txt", 3):
        if key not in ratings:
            yield Unreadable("no_ratings", text)
            continue
        values = json.loads(ratings[key])
        # Ids in amazon and nyt have the form DOCUMENT_SENTENCE; in the other domains, each text is
        # its own group.
        yield {
            "id": f"{domain}/{key}",
            "group": f"{domain}/{key.partition('_')[0]}",
            "domain": domain,
            "text": text,
            "ratings": values,
            "label": label(sum(values) / len(values), threshold),
        }


def label(mean: float, threshold: float) -> str:
    """Return the class of a mean rating.

    The mean is computed from the individual ratings, because the mean given in the corpus files
    does not match these ratings for 199 tweets.
    """
    if mean >= threshold:
        return "positive"
    return "negative" if mean <= -threshold else "neutral"


def _lines(tables: Archive, name: str, cells: int) -> Iterator[list[str]]:
    """Yield the cells of each line; the corpus files do not quote cells."""
    for line in tables.read(name).decode("utf-8-sig").split("\r\n"):
        if line:
            yield line.split("\t", cells - 1)


def about(params: Params) -> DatasetInfo:
    """Return the description for the data card."""
    return DatasetInfo(
        title="VADER ratings",
        description=(
            "Tweets, and sentences from film reviews, product reviews and newspaper editorials, "
            "each with 15 to 99 human ratings of its sentiment, from -4 to 4. Classes are "
            f"derived from the mean rating: positive if it is at least {params.threshold}, "
            f"negative if it is at most -{params.threshold}, otherwise neutral. Domains used: "
            f"{', '.join(params.domains)}."
        ),
        license="mit",
        languages=["en"],
        citation=(
            "C.J. Hutto and Eric Gilbert (2014). VADER: A Parsimonious Rule-based Model for "
            "Sentiment Analysis of Social Media Text. Eighth International Conference on Weblogs "
            "and Social Media (ICWSM-14). Ann Arbor, MI."
        ),
        limits=[
            "The texts are in English and were collected before 2014; crowd workers rated them.",
            "Film reviews are single sentences from unknown reviews, so sentences of one review "
            "may be in different splits.",
            "The tweets were used to build the VADER lexicon, so its scores on them are inflated.",
            "Classes are derived from a continuous mean: labels near the threshold are uncertain.",
        ],
    )
