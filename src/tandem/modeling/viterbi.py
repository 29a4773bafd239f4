"""The most probable well-formed BIO tags of texts (Viterbi 1967)."""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from tandem.modeling.bio_tags import OUTSIDE


def viterbi_decode(
    scores: Tensor, lengths: Sequence[int], tags: Sequence[str], adjacency: float
) -> list[list[str]]:
    """Find the most probable tags of the words of each text, for all texts at once.

    An I tag may only follow a B or I tag of the same label. A span that begins right after another
    one is penalized by `adjacency`; without this penalty, consecutive words unseen in training may
    be split into two spans, for example `reading corner` into a name and an area.

    Args:
        scores: log-probabilities of shape (texts, words, tags).
        lengths: the number of words of each text; scores of later words are ignored.
        tags: the BIO tags, in the order of the last axis of `scores`.
        adjacency: added to a path's score where a span begins right after another; at most 0.
    """
    transitions = _transition_scores(tuple(tags), adjacency)
    # A text cannot begin with an I tag.
    inside = torch.tensor([tag.startswith("I-") for tag in tags])
    totals = scores[:, 0].masked_fill(inside, -torch.inf)

    # Forward pass: compute the best score of a path to each tag, and the previous tag on that path.
    best_last = [totals.argmax(dim=1).tolist()]
    backpointers = []
    for word_scores in scores.unbind(dim=1)[1:]:
        best = (totals[:, :, None] + transitions).max(dim=1)
        totals = best.values + word_scores
        best_last.append(totals.argmax(dim=1).tolist())
        backpointers.append(best.indices.tolist())

    # Backward pass: follow the backpointers from the last word of each text.
    paths = []
    for text, length in enumerate(lengths):
        path = [best_last[length - 1][text]] if length else []
        for pointers in reversed(backpointers[: max(length - 1, 0)]):
            path.append(pointers[text][path[-1]])
        paths.append([tags[index] for index in reversed(path)])
    return paths


@functools.cache
def _transition_scores(tags: tuple[str, ...], adjacency: float) -> Tensor:
    """The score that each transition between two tags adds to a path, of shape (tags, tags)."""
    scores = torch.zeros(len(tags), len(tags))
    for i, previous in enumerate(tags):
        for j, tag in enumerate(tags):
            if tag.startswith("I-") and previous[2:] != tag[2:]:
                scores[i, j] = -torch.inf
            elif tag.startswith("B-") and previous != OUTSIDE:
                scores[i, j] = adjacency
    return scores
