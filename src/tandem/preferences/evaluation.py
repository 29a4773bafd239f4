"""Compare the texts that two generators write for the same prompts, using three scorers.

The scorers are the reward model, whose scores the alignment optimizes; a judge model, which was
trained on texts and ratings that the reward model was not trained on; and VADER, a sentiment
lexicon.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tandem.baselines import vader
from tandem.core.params import Runtime
from tandem.preferences.completions import Completions, summarize
from tandem.preferences.intervals import mean, pair_accuracies, win_rate
from tandem.preferences.pairs import Pair
from tandem.preferences.reward_model import RewardModel

SCORERS = ("reward", "judge", "vader")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPair(Pair):
    """A test pair, with the scores that each scorer gives to both texts."""

    reward_chosen: float
    reward_rejected: float
    judge_chosen: float
    judge_rejected: float
    vader_chosen: float
    vader_rejected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredText:
    """The text that a generator wrote for the prompt of one row, with the text's scores."""

    id: str
    group: str
    variant: str
    text: str
    tokens: int
    reward: float
    judge: float
    vader: float


def score_pairs(pairs: Sequence[Pair], reward: RewardModel, judge: RewardModel) -> list[ScoredPair]:
    """Add the scores of all scorers to `pairs`."""
    sides = [[pair.chosen for pair in pairs], [pair.rejected for pair in pairs]]
    learned = [model.score(texts) for model in (reward, judge) for texts in sides]
    lexicon = [[vader.compound(text) for text in texts] for texts in sides]
    return [
        ScoredPair(
            **{name: getattr(pair, name) for name in Pair.__slots__},
            reward_chosen=scores[0],
            reward_rejected=scores[1],
            judge_chosen=scores[2],
            judge_rejected=scores[3],
            vader_chosen=scores[4],
            vader_rejected=scores[5],
        )
        for pair, *scores in zip(pairs, *learned, *lexicon, strict=True)
    ]


def score_texts(variant: str, completions: Completions, judge: RewardModel) -> list[ScoredText]:
    """The texts of the generator `variant`, with the scores of all scorers."""
    return [
        ScoredText(
            id=row.id,
            group=row.group,
            variant=variant,
            text=text,
            tokens=len(sample.completion_ids),
            reward=reward,
            judge=judge_score,
            vader=vader.compound(text),
        )
        for row, sample, text, reward, judge_score in zip(
            completions.rows,
            completions.samples,
            completions.texts,
            completions.rewards,
            judge.score(completions.texts),
            strict=True,
        )
    ]


def scorer_accuracies(pairs: Sequence[ScoredPair], runtime: Runtime) -> dict[str, Any]:
    """The pair accuracy of each scorer on `pairs`."""
    return {
        scorer: pair_accuracies(
            pairs,
            [getattr(pair, f"{scorer}_chosen") for pair in pairs],
            [getattr(pair, f"{scorer}_rejected") for pair in pairs],
            runtime,
        )
        for scorer in SCORERS
    }


def mean_vader(texts: Sequence[ScoredText], runtime: Runtime) -> dict[str, Any]:
    """The mean VADER score with its confidence interval."""
    return mean([text.vader for text in texts], [text.group for text in texts], runtime, "vader")


def win_rates(
    aligned: Sequence[ScoredText], base: Sequence[ScoredText], runtime: Runtime
) -> dict[str, Any]:
    """The fraction of prompts for which each scorer prefers the aligned generator's text."""
    groups = [text.group for text in aligned]
    return {
        f"win_rate/{scorer}": win_rate(
            [getattr(text, scorer) for text in aligned],
            [getattr(text, scorer) for text in base],
            groups,
            runtime,
            scorer,
        )
        for scorer in SCORERS
    }


def compare(
    completions: Mapping[str, Completions],
    texts: Mapping[str, Sequence[ScoredText]],
    runtime: Runtime,
) -> dict[str, dict[str, Any]]:
    """The metrics of the generators `base` and `aligned`, with the win rates of `aligned`."""
    results = {name: summarize(completions[name], runtime) for name in completions}
    for name in results:
        results[name]["vader"] = mean_vader(texts[name], runtime)
    results["aligned"] |= win_rates(texts["aligned"], texts["base"], runtime)
    return results
