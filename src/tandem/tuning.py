"""Search for training params that improve a task's validation score; test rows are never read.

The search is Bayesian optimization with Optuna: seeded tree-structured Parzen estimators (Bergstra
et al. 2011, "Algorithms for Hyper-Parameter Optimization"). The first trial uses each current value
in params.yaml that is within its range; if all current values are within their ranges, the best
score is at least as good as the score of the current values. The models of trials are not kept:
`dvc repro` trains with the values that the search writes into params.yaml.
"""

import copy
import functools
import operator
from typing import Any

from tandem.core import params, params_check, params_file, paths, registry
from tandem.core import task as tasks
from tandem.core.determinism import derived_seed, pin_environment
from tandem.core.errors import ParamsError, StageError, UnknownName
from tandem.core.params import Runtime
from tandem.core.search_space import ParamRange, SearchSpace
from tandem.engines import dvc_stages
from tandem.modeling.params import TrainParams, train_params

LOSS = "validation_loss"
Values = dict[str, Any]
"""Values of params: nested mappings, or one mapping with dotted keys."""


def tune(task: str, trials: int) -> dict[str, Any]:
    """Run trials, print a line for each trial, and write the best values into params.yaml.

    Returns:
        `task`, `trials`, `objective`, the `score` of the best trial, and its `values`: key in
        `TASK.train` → value.

    Raises:
        ParamsError: params.yaml contains no `TASK.tune`, or a range in it includes values that the
            stage `train` does not accept.
        StageError: no trial ended with a score.
    """
    params_check.check(params.read(), dvc_stages.sections)
    runtime = params.project().runtime
    pin_environment(runtime)  # must be called before torch is imported
    section = params.read()[task]
    if "tune" not in section:
        raise ParamsError(f"params.yaml: {task}.tune is missing; see docs/training.md")
    search = params.load(SearchSpace, task, "tune")
    sign = direction(task, search.objective)
    for key, values in search.ranges.items():  # report invalid ranges before the first trial
        for value in values.bounds:
            with_values(task, section["train"], {key: value})
    best_score, best = _search(task, section["train"], search, sign, trials, runtime)
    params_file.update_file({task: {"train": nested(best)}}, dvc_stages.sections)
    return {
        "task": task,
        "trials": trials,
        "objective": search.objective,
        "score": best_score,
        "values": best,
    }


def to_text(result: dict[str, Any]) -> str:
    """The result of a search in one line."""
    score = f"{result['objective']} {result['score']:.6g}"
    return f"written to {paths.PARAMS}: {_format(result['values'])} ({score})"


def direction(task: str, objective: str) -> int:
    """1 if higher values of `objective` are better, -1 if lower values are better.

    Raises:
        UnknownName: the objective is neither the loss nor a metric of the task.
    """
    names = tasks.load(task).metrics
    if objective not in (LOSS, *names):
        raise UnknownName("objective", objective, [LOSS, *names], f"params.yaml: {task}.tune")
    if objective == LOSS:
        return -1
    return -1 if getattr(registry.load("metrics", objective), "LOWER_IS_BETTER", False) else 1


def _search(
    task: str, section: Values, search: SearchSpace, sign: int, trials: int, runtime: Runtime
) -> tuple[float, Values]:
    """The score of the best trial, and its values: key in `TASK.train` → value."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=derived_seed(runtime.seed, task, "tune"))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    current = with_values(task, section, {})
    values_now = {key: operator.attrgetter(key)(current) for key in search.ranges}
    study.enqueue_trial({k: value for k, value in values_now.items() if value in search.ranges[k]})

    def run_trial(trial: Any) -> float:
        values = {key: suggest(trial, key, choice) for key, choice in search.ranges.items()}
        prefix = f"trial {trial.number + 1} of {trials}: {_format(values)}"
        try:
            reached = score(task, with_values(task, section, values), search.objective, runtime)
        except StageError as error:
            print(f"{prefix}: {error}", flush=True)
            raise optuna.TrialPruned from None
        print(f"{prefix}: {search.objective} {reached:.6g}", flush=True)
        return sign * reached

    study.optimize(run_trial, n_trials=trials)
    if not any(trial.value is not None for trial in study.trials):
        raise StageError(f"no trial of {task} ended with a score: narrow the ranges of {task}.tune")
    return sign * study.best_value, dict(study.best_params)


def suggest(trial: Any, key: str, values: ParamRange) -> Any:
    """The value of `key` that the sampler picks for a trial."""
    if values.choices is not None:
        return trial.suggest_categorical(key, values.choices)
    if isinstance(values.low, int) and isinstance(values.high, int):
        return trial.suggest_int(key, values.low, values.high, log=values.log)
    return trial.suggest_float(key, values.low, values.high, log=values.log)


def score(task: str, training: TrainParams, objective: str, runtime: Runtime) -> float:
    """Train a model with the params `training`; return `objective`, computed on validation rows."""
    from tandem import metrics
    from tandem.modeling.training.train_model import train_model, training_rows

    task_object = tasks.load(task)
    rows, validation = training_rows(task_object, training)
    trained = train_model(task_object, rows, validation, training, runtime)
    if objective == LOSS:
        return trained.validation_loss
    predictions = trained.model.predict(validation, 2 * training.batch_size)
    scores, _ = metrics.score(task_object, validation, predictions, runtime)
    value: float = scores[objective]["value"]
    return value


def with_values(task: str, section: Values, values: Values) -> TrainParams:
    """The params of `TASK.train` with some values replaced.

    Args:
        task: The name of the task.
        section: The content of `TASK.train`.
        values: Dotted key → new value.

    Raises:
        ParamsError: the stage `train` does not accept a key or a value.
    """
    content = {task: {"train": copy.deepcopy(section)}}
    params_file.deep_merge(nested(values), content[task]["train"])
    return train_params(tasks.load(task), content)


def nested(values: Values) -> Values:
    """Convert dotted keys to nested mappings.

    >>> nested({"max_steps": 5, "model.span_dropout": 0.1})
    {'max_steps': 5, 'model': {'span_dropout': 0.1}}
    """
    result: Values = {}
    for key, value in values.items():
        *sections, last = key.split(".")
        parent = functools.reduce(lambda part, name: part.setdefault(name, {}), sections, result)
        parent[last] = value
    return result


def _format(values: Values) -> str:
    return ", ".join(f"{key} {values[key]}" for key in sorted(values))
