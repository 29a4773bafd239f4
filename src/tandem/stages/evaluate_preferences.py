"""Score the reward model on test pairs, and the aligned generator against what it was.

Three judges compare what both generators write after the same test prompts: the reward model,
which alignment worked for; a judge that learned from other people's ratings of other texts; and
VADER, a lexicon.

Reads   data/split/TASK/test.parquet, for prompts; data/split/RATINGS/test.parquet, for pairs,
        RATINGS being the task that `preferences.TASK` names;
        models/TASK/{base,reward,judge,aligned}; the params `runtime` and
        `TASK.evaluate_preferences`
Writes  reports/predictions/TASK/preferences/pairs.parquet     each test pair with its scores
        reports/predictions/TASK/preferences/samples.parquet   each prompt with both texts
        reports/metrics/evaluate-preferences/TASK.json         by variant (the judges, base,
                                                               aligned), each metric's interval

    tandem evaluate-preferences generation
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tandem.baselines import vader
from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.determinism import derived_seed
from tandem.core.params import Runtime, Strict
from tandem.core.rows import read_rows, write_rows
from tandem.preferences.intervals import mean, pair_accuracies, win_rate
from tandem.preferences.pairs import Pair, pairs_of, preference_of
from tandem.preferences.params import Prompting, Rule

if TYPE_CHECKING:
    from tandem.preferences.completions import Written
    from tandem.preferences.reward_model import RewardModel


JUDGES = ("reward", "judge", "vader")


class Params(Strict):
    """Which pairs and prompts of the test rows are used."""

    pairs: Rule
    """Which texts count as preferred to which; the same as in `reward`."""
    max_pairs: int | None = Field(ge=1)
    """Test pairs at the most; null takes all."""
    prompting: Prompting
    """What both generators go on from, and how far."""
    max_prompts: int = Field(ge=1)
    """Test prompts at the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPair(Pair):
    """A test pair with what each judge says of its texts."""

    reward_chosen: float
    reward_rejected: float
    judge_chosen: float
    judge_rejected: float
    vader_chosen: float
    vader_rejected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What one generator wrote after one row's first words, and how it was judged."""

    id: str
    group: str
    variant: str
    text: str
    tokens: int
    reward: float
    judge: float
    vader: float


def main(task: str) -> None:
    """Evaluate the preferences of one task."""
    from tandem.modeling.seeding import pin_torch
    from tandem.preferences import completions
    from tandem.preferences.reward_model import RewardModel
    from tandem.preferences.sampling import generator_of, prompts

    runtime = params.project().runtime
    settings = params.load(Params, task, "evaluate_preferences")
    reward, judge = (RewardModel.load(paths.model(task, name)) for name in ("reward", "judge"))
    base, aligned = (generator_of(task, variant) for variant in ("base", "aligned"))
    ratings = preference_of(task).ratings
    pairs = pairs_of(ratings, "test", settings.pairs, settings.max_pairs, runtime)
    everything = read_rows(paths.split(task) / "test.parquet", tasks.load(task).row)
    rows = prompts(everything, settings.prompting, settings.max_prompts)

    pin_torch(runtime)
    scored = _score(pairs, reward, judge)
    written = {
        variant: completions.write(
            model, rows, settings.prompting, reward, derived_seed(runtime.seed, task, variant)
        )
        for variant, model in (("base", base), ("aligned", aligned))
    }
    texts = {variant: _judged(variant, found, judge) for variant, found in written.items()}

    found = _judges(scored, runtime)
    for variant in written:
        found[variant] = completions.figures(written[variant], runtime)
        found[variant]["vader"] = _vader(texts[variant], runtime)
    found["aligned"] |= _wins(texts["aligned"], texts["base"], runtime)
    found["aligned"] |= completions.moved(
        aligned, base, written["aligned"], settings.prompting.batch_size, runtime
    )
    folder = paths.predictions(task, "preferences").with_suffix("")
    with io.writing(folder, paths.metrics("evaluate-preferences", task)) as (partial, scores):
        _write(partial, scored, [*texts["base"], *texts["aligned"]])
        io.write_json(scores, found)


def _score(pairs: Sequence[Pair], reward: "RewardModel", judge: "RewardModel") -> list[ScoredPair]:
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


def _judges(pairs: Sequence[ScoredPair], runtime: Runtime) -> dict[str, Any]:
    """The pair accuracy of each judge, on the same pairs."""
    return {
        judge: pair_accuracies(
            pairs,
            [getattr(pair, f"{judge}_chosen") for pair in pairs],
            [getattr(pair, f"{judge}_rejected") for pair in pairs],
            runtime,
        )
        for judge in JUDGES
    }


def _judged(variant: str, written: "Written", judge: "RewardModel") -> list[Text]:
    return [
        Text(
            id=row.id,
            group=row.group,
            variant=variant,
            text=text,
            tokens=len(sample.drawn),
            reward=score,
            judge=opinion,
            vader=vader.compound(text),
        )
        for row, sample, text, score, opinion in zip(
            written.rows,
            written.samples,
            written.texts,
            written.rewards,
            judge.score(written.texts),
            strict=True,
        )
    ]


def _vader(texts: Sequence[Text], runtime: Runtime) -> dict[str, Any]:
    return mean([text.vader for text in texts], [text.group for text in texts], runtime, "vader")


def _wins(aligned: Sequence[Text], base: Sequence[Text], runtime: Runtime) -> dict[str, Any]:
    """The share of prompts after which a judge likes the aligned text better."""
    groups = [text.group for text in aligned]
    return {
        f"win_rate/{judge}": win_rate(
            [getattr(text, judge) for text in aligned],
            [getattr(text, judge) for text in base],
            groups,
            runtime,
            judge,
        )
        for judge in JUDGES
    }


def _write(folder: Path, pairs: Sequence[ScoredPair], texts: Sequence[Text]) -> None:
    write_rows(folder / "pairs.parquet", pairs, ScoredPair)
    write_rows(folder / "samples.parquet", texts, Text)
