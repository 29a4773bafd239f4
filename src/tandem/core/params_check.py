"""Check the whole of params.yaml; all mistakes are reported at once.

No stage imports this module: it knows every stage, and a stage reads only its own sections.
"""

from collections.abc import Iterator
from typing import Any

from tandem.core import params, paths, registry
from tandem.core.errors import ParamsError, UnknownName


def check(content: dict[str, Any] | None = None) -> None:
    """Check the whole of params.yaml, as far as any stage would ever read it.

    Raises:
        ParamsError: every mistake of the file, in one message.
    """
    content = params.read() if content is None else content
    problems = list(
        params.problems_of(params.Project, params.own_keys(params.Project, content), ())
    )
    sections = [*params.Project.model_fields, *registry.names("tasks")]
    if not list(params.problems_of(params.Sections, params.own_keys(params.Sections, content), ())):
        whole = params.load(params.Sections, content=params.own_keys(params.Sections, content))
        sections = [*params.Project.model_fields, *whole.tasks]
        problems.extend((*_name_problems(whole), *_meant_problems(whole)))
        known = _that_exist(whole)
        for task in known.tasks:
            problems.extend(_task_problems(task, content.get(task), known))
    problems.extend(params.unknown_key(key, sections) for key in content if key not in sections)
    if problems:
        raise ParamsError("; ".join(problems))


def _that_exist(whole: params.Sections) -> params.Sections:
    """The same without names of tasks and methods that nothing answers to."""
    tasks, methods = registry.names("tasks"), registry.names("compression")
    return whole.model_copy(
        update={
            "tasks": [task for task in dict.fromkeys(whole.tasks) if task in tasks],
            "methods": [method for method in whole.methods if method in methods],
        }
    )


def _name_problems(whole: params.Sections) -> Iterator[str]:
    """Tasks and methods that are named but do not exist, or exist but are not named."""
    known_tasks, known = registry.names("tasks"), registry.names("compression")
    for task in whole.tasks:
        if task not in known_tasks:
            yield str(UnknownName("task", task, known_tasks, f"{paths.PARAMS}: tasks"))
        if task not in whole.augmenting:
            yield f"{paths.PARAMS}: augmenting.{task} is missing"
    for method in whole.methods:
        if method not in known:
            where = f"{paths.PARAMS}: methods"
            yield str(UnknownName("compression method", method, known, where))
    for key, named in (
        ("augmenting", whole.augmenting),
        ("effects", whole.effects),
        ("preferences", whole.preferences),
        ("seeds", whole.seeds),
    ):
        for task in sorted(named.keys() - {*whole.tasks}):
            yield params.unknown_key(f"{key}.{task}", [f"{key}.{known}" for known in whole.tasks])


def _meant_problems(whole: params.Sections) -> Iterator[str]:
    """Tasks whose ratings no task has, and tasks that are named twice."""
    for task, preference in whole.preferences.items():
        if preference.ratings not in whole.tasks:
            where = f"{paths.PARAMS}: preferences.{task}.ratings"
            yield str(UnknownName("task", preference.ratings, whole.tasks, where))
    for task in sorted({task for task in whole.tasks if whole.tasks.count(task) > 1}):
        yield f"{paths.PARAMS}: tasks: {task} stands there twice"


def _task_problems(task: str, section: Any, whole: params.Sections) -> Iterator[str]:
    """All that is wrong with one task's section."""
    if not isinstance(section, dict):
        yield f"{paths.PARAMS}: {task} must be a mapping of stages"
        return
    models = stage_models(task, whole) | {
        key: model for key, model in optional_models().items() if key in section
    }
    for key in section:
        if key not in models:
            known = [f"{task}.{name}" for name in (*models, *optional_models())]
            yield params.unknown_key(f"{task}.{key}", known)
    for key, model in models.items():
        if key not in section:
            yield f"{paths.PARAMS}: {task}.{key} is missing"
        else:
            yield from params.problems_of(model, section[key], (task, key))


def stage_models(task: str, whole: params.Sections) -> dict[str, type[schema.StrictModel]]:
    """The sections that a task must have, each with the model that owns it."""
    stages = ["fetch", "fetch_model", "clean", "split", "augment", "train", "baseline", "evaluate"]
    if task in whole.preferences:
        stages += ["reward", "judge", "align", "evaluate_preferences"]
    if task in whole.effects:
        stages += ["augmentation_effect"]
    models = {stage: registry.load("stages", stage).Params for stage in stages}
    return models | {m: registry.load("compression", m).Params for m in whole.methods}


def optional_models() -> dict[str, type[schema.StrictModel]]:
    """The sections that a task may have, for tools that no engine runs."""
    from tandem.core.search_space import Search  # it is built on what stands here

    return {"tune": Search}
