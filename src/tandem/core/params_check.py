"""Check the whole of params.yaml; all mistakes are reported at once.

No stage imports this module: it loads the params of every stage, and a stage reads only its own.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from tandem.core import params, paths, registry
from tandem.core.errors import ParamsError, TandemError, UnknownName
from tandem.core.schema import StrictModel
from tandem.core.search_space import SearchSpace

Sections = Mapping[str, Collection[str]]
"""Task → the sections that stages of dvc.yaml read."""
SectionReader = Callable[[Mapping[str, Any]], Sections]
"""The sections under given params; `tandem.engines.dvc_stages.sections` reads them from dvc.yaml."""
OPTIONAL: Mapping[str, type[StrictModel]] = {"tune": SearchSpace}
"""Sections that a task may have, for tools that no engine runs."""


def check(content: dict[str, Any], sections_of: SectionReader) -> None:
    """Check all of params.yaml, whose values are `content`.

    Raises:
        ParamsError: every mistake in the file, in one message.
    """
    own = params.pick_keys(params.ProjectParams, content)
    problems = list(params.problems_of(params.ProjectParams, own, ()))
    known = [*params.ProjectParams.model_fields, *registry.names("tasks")]
    own = params.pick_keys(params.PipelineParams, content)
    if not list(params.problems_of(params.PipelineParams, own, ())):
        pipeline = params.load(params.PipelineParams, content=own)
        known = [*params.ProjectParams.model_fields, *pipeline.tasks]
        problems += _name_problems(pipeline)
        problems += _section_problems(content, pipeline, sections_of, bool(problems))
    problems += [params.unknown_key(key, known) for key in content if key not in known]
    if problems:
        raise ParamsError("; ".join(dict.fromkeys(problems)))


def _name_problems(pipeline: params.PipelineParams) -> Iterator[str]:
    """Names of tasks and methods that do not exist, or are listed twice."""
    for key, package in (("tasks", "tasks"), ("methods", "compression")):
        names, known = getattr(pipeline, key), registry.names(package)
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{paths.PARAMS}: {key} lists {name} twice"
        for name in dict.fromkeys(names):
            if name not in known:
                kind = registry.KINDS[package]
                yield str(UnknownName(kind, name, known, f"{paths.PARAMS}: {key}"))
    yield from _reference_problems(pipeline)


def _reference_problems(pipeline: params.PipelineParams) -> Iterator[str]:
    """References to tasks that are not listed, and required entries that are missing."""
    for key in ("augmentation_models", "augmentation_ablation", "preferences", "seeds"):
        for task in sorted(getattr(pipeline, key).keys() - {*pipeline.tasks}):
            yield params.unknown_key(f"{key}.{task}", [f"{key}.{name}" for name in pipeline.tasks])
    for task in pipeline.tasks:
        if task not in pipeline.augmentation_models:
            yield f"{paths.PARAMS}: augmentation_models.{task} is missing"
    for task, preference in pipeline.preferences.items():
        if preference.ratings not in pipeline.tasks:
            where = f"{paths.PARAMS}: preferences.{task}.ratings"
            yield str(UnknownName("task", preference.ratings, pipeline.tasks, where))


def _section_problems(
    content: Mapping[str, Any],
    pipeline: params.PipelineParams,
    sections_of: SectionReader,
    has_problems: bool,
) -> Iterator[str]:
    """What is wrong in the sections of the tasks that exist.

    If dvc.yaml cannot be read under these params, the known problems may be why.
    """
    tasks = [task for task in dict.fromkeys(pipeline.tasks) if task in registry.names("tasks")]
    known = registry.names("compression")
    methods = [method for method in dict.fromkeys(pipeline.methods) if method in known]
    try:
        sections = sections_of({**content, "tasks": tasks, "methods": methods})
    except TandemError as error:
        if not has_problems:
            yield str(error)
        return
    for task in tasks:
        yield from _task_problems(task, content.get(task), sections.get(task, ()))


def _task_problems(task: str, section: Any, needed: Collection[str]) -> Iterator[str]:
    """What is wrong in the section of one task, which needs the sections `needed`."""
    if not isinstance(section, dict):
        yield f"{paths.PARAMS}: {task} must be a mapping of sections"
        return
    known = [*needed, *OPTIONAL]
    for key in section:
        if key not in known:
            yield params.unknown_key(f"{task}.{key}", [f"{task}.{name}" for name in known])
    for key in known:
        model = section_model(key)
        if key in section:
            yield from params.problems_of(model, section[key], (task, key)) if model else ()
        elif key in needed:
            yield f"{paths.PARAMS}: {task}.{key} is missing"


def section_model(name: str) -> type[StrictModel] | None:
    """What describes a section: `Params` of the stage or the compression method of this name.

    None if there is neither, as for a stage of the user's own.
    """
    if name in OPTIONAL:
        return OPTIONAL[name]
    for package in ("stages", "compression"):
        if name in registry.names(package):
            model: type[StrictModel] | None = getattr(registry.load(package, name), "Params", None)
            return model
    return None
