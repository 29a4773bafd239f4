"""Search for better training params of a task, on validation rows; test rows are never read.

Bayesian optimisation by Optuna: trees of Parzen estimators (Bergstra et al. 2011, "Algorithms for
Hyper-Parameter Optimization"), seeded. The first trial is params.yaml as it stands, where that is
within the ranges, so the best is never worse. Models of trials are not kept: `dvc repro` trains
with what is found.
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


def tune(task: str, trials: int) -> dict[str, Any]:
    """Run that many trials, print each, and write the best values into params.yaml.

    Returns:
        `task`, `trials`, `objective`, the best `score` and its `values` by key of `TASK.train`.

    Raises:
        ParamsError: params.yaml has no `TASK.tune`, or a range that the stage would not take.
        StageError: no trial ended with a score.
    """
    params_check.check(params.read(), dvc_stages.sections)
    runtime = params.project().runtime
    pin_environment(runtime)  # before torch, which the trials import
    section = params.read()[task]
    if "tune" not in section:
        raise ParamsError(f"params.yaml: {task}.tune is missing: docs/training.md shows one")
    search = params.load(SearchSpace, task, "tune")
    sign = better(task, search.objective)
    for key, values in search.ranges.items():
        for end in values.ends:
            changed(task, section["train"], {key: end})
    reached, best = _search(task, section["train"], search, sign, trials, runtime)
    params_file.update_file({task: {"train": nested(best)}}, dvc_stages.sections)
    return {
        "task": task,
        "trials": trials,
        "objective": search.objective,
        "score": reached,
        "values": best,
    }


def words(done: dict[str, Any]) -> str:
    """What a search found and wrote, in one line."""
    reached = f"{done['objective']} {done['score']:.6g}"
    return f"written to {paths.PARAMS}: {_shown(done['values'])} ({reached})"


def better(task: str, objective: str) -> int:
    """1 where more of `objective` is better, -1 where less is.

    Raises:
        UnknownName: it is neither the loss nor a metric of the task.
    """
    known = tasks.load(task).metrics
    if objective not in (LOSS, *known):
        raise UnknownName("objective", objective, [LOSS, *known], f"params.yaml: {task}.tune")
    if objective == LOSS:
        return -1
    return -1 if getattr(registry.load("metrics", objective), "LOWER_IS_BETTER", False) else 1


def _search(
    task: str, section: Values, search: SearchSpace, sign: int, trials: int, runtime: Runtime
) -> tuple[float, Values]:
    """The best score of all trials, and its values by key of `TASK.train`."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=derived_seed(runtime.seed, task, "tune"))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    now = changed(task, section, {})
    present = {key: operator.attrgetter(key)(now) for key in search.ranges}
    study.enqueue_trial({k: value for k, value in present.items() if value in search.ranges[k]})

    def attempt(trial: Any) -> float:
        values = {key: suggest(trial, key, span) for key, span in search.ranges.items()}
        try:
            found = score(task, changed(task, section, values), search.objective, runtime)
        except StageError as error:
            print(f"trial {trial.number + 1} of {trials}: {_shown(values)}: {error}", flush=True)
            raise optuna.TrialPruned from None
        shown = f"{search.objective} {found:.6g}"
        print(f"trial {trial.number + 1} of {trials}: {_shown(values)}: {shown}", flush=True)
        return sign * found

    study.optimize(attempt, n_trials=trials)
    if not any(trial.value is not None for trial in study.trials):
        raise StageError(f"no trial of {task} ended with a score: narrow the ranges of {task}.tune")
    return sign * study.best_value, dict(study.best_params)


def suggest(trial: Any, key: str, span: ParamRange) -> Any:
    """A value of `span` that the sampler picks."""
    if span.choices is not None:
        return trial.suggest_categorical(key, span.choices)
    if isinstance(span.low, int) and isinstance(span.high, int):
        return trial.suggest_int(key, span.low, span.high, log=span.log)
    return trial.suggest_float(key, span.low, span.high, log=span.log)


def score(task: str, training: TrainParams, objective: str, runtime: Runtime) -> float:
    """What a model trained with `training` reaches on validation rows."""
    from tandem import metrics
    from tandem.modeling.training.train_model import train_model, training_rows

    known = tasks.load(task)
    rows, validation = training_rows(known, training)
    found = train_model(known, rows, validation, training, runtime)
    if objective == LOSS:
        return found.validation_loss
    answers = found.model.predict(validation, 2 * training.batch_size)
    scores, _ = metrics.score(known, validation, answers, runtime)
    reached: float = scores[objective]["value"]
    return reached


def changed(task: str, section: Values, values: Values) -> TrainParams:
    """The params `TASK.train`, which `section` holds, with `values` laid over them.

    Raises:
        ParamsError: a key or a value that the stage does not take.
    """
    content = {task: {"train": copy.deepcopy(section)}}
    params_file.deep_merge(nested(values), content[task]["train"])
    return train_params(tasks.load(task), content)


def nested(values: Values) -> Values:
    """Dotted keys as mappings in mappings.

    >>> nested({"max_steps": 5, "model.span_dropout": 0.1})
    {'max_steps': 5, 'model': {'span_dropout': 0.1}}
    """
    found: Values = {}
    for key, value in values.items():
        *parts, last = key.split(".")
        functools.reduce(lambda part, name: part.setdefault(name, {}), parts, found)[last] = value
    return found


def _shown(values: Values) -> str:
    return ", ".join(f"{key} {values[key]}" for key in sorted(values))
