"""Evaluate the reward model and the aligned generator.

The reward model is scored on test pairs. The aligned generator is compared with its base model.

Reads   data/split/TASK/test.parquet, for prompts; data/split/RATINGS/test.parquet, for pairs, where
        RATINGS is the task that `preferences.TASK.ratings` names;
        models/TASK/{base,reward,judge,aligned}; the params `preferences.TASK`, `runtime` and
        `TASK.evaluate_preferences`
Writes  reports/predictions/TASK/preferences/pairs.parquet     each test pair with its scores
        reports/predictions/TASK/preferences/samples.parquet   each prompt with both models' texts
        reports/details/evaluate-preferences/TASK.json         metrics with intervals, by scorer
                                                               and by variant

    tandem evaluate-preferences generation
"""

from tandem.core import io, params, paths, wording
from tandem.core import task as tasks
from tandem.core.determinism import derived_seed
from tandem.core.rows import read_rows, write_rows
from tandem.preferences.params import PreferenceEvaluationParams


class Params(PreferenceEvaluationParams):
    """Which pairs and prompts are taken from the test rows."""


def main(task: str) -> str:
    """Evaluate the reward model and the aligned generator of one task."""
    from tandem.modeling.seeding import make_torch_deterministic
    from tandem.preferences import completions, evaluation
    from tandem.preferences.pairs import pairs_of, preference_of
    from tandem.preferences.reward_model import RewardModel
    from tandem.preferences.sampling import generator_of, prompts

    runtime = params.project().runtime
    stage_params = params.load(Params, task, "evaluate_preferences")
    reward, judge = (RewardModel.load(paths.model(task, name)) for name in ("reward", "judge"))
    base, aligned = (generator_of(task, variant) for variant in ("base", "aligned"))
    ratings = preference_of(task).ratings
    pairs = pairs_of(ratings, "test", stage_params.pairs, stage_params.max_pairs, runtime)
    test = read_rows(paths.split(task) / "test.parquet", tasks.load(task).row)
    rows = prompts(test, stage_params.generation, stage_params.max_prompts)

    make_torch_deterministic(runtime)
    # Score the test pairs, and the texts that the base and the aligned generator write for the
    # same prompts.
    scored = evaluation.score_pairs(pairs, reward, judge)
    written = {
        variant: completions.sample_completions(
            model, rows, stage_params.generation, reward, derived_seed(runtime.seed, task, variant)
        )
        for variant, model in (("base", base), ("aligned", aligned))
    }
    texts = {name: evaluation.score_texts(name, written[name], judge) for name in written}

    # Compute the metrics of each scorer and of each generator.
    results = evaluation.scorer_accuracies(scored, runtime)
    results |= evaluation.compare(written, texts, runtime)
    batch_size = stage_params.generation.batch_size
    results["aligned"] |= completions.kl_from_base(
        aligned, base, written["aligned"], batch_size, runtime
    )
    outputs = paths.preference_predictions(task), paths.details("evaluate-preferences", task)
    with io.atomic_outputs(*outputs) as (folder, metrics):
        write_rows(folder / "pairs.parquet", scored, evaluation.ScoredPair)
        samples = [*texts["base"], *texts["aligned"]]
        write_rows(folder / "samples.parquet", samples, evaluation.ScoredText)
        io.write_details(metrics, results)
    accuracy = wording.score("pair_accuracy", results["reward"]["pair_accuracy"])
    wins = {name: results["aligned"][f"win_rate/{name}"]["value"] for name in evaluation.SCORERS}
    return (
        f"{accuracy} of the reward model on {wording.counted(len(pairs), 'test pair')}; win rate "
        f"of the aligned model over the base model on {wording.counted(len(rows), 'prompt')}, "
        f"by scorer: {', '.join(f'{name} {value:.3f}' for name, value in wins.items())}; "
        f"written to {outputs[1]}"
    )
