"""Check the whole of params.yaml and report all mistakes at once.

No stage imports this module, because it loads the params of every stage; a stage reads only its
own params.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from tandem.core import params, paths, registry
from tandem.core.errors import ParamsError, TandemError, UnknownName
from tandem.core.schema import StrictModel
from tandem.core.search_space import SearchSpace

Sections = Mapping[str, Collection[str]]
"""Task → those of its sections in params.yaml that a stage in dvc.yaml reads."""
SectionReader = Callable[[Mapping[str, Any]], Sections]
"""A function that takes the content of params.yaml and returns the sections that stages read.

`tandem.engines.dvc_stages.sections` is such a function.
"""
OPTIONAL: Mapping[str, type[StrictModel]] = {"tune": SearchSpace}
"""Optional sections of a task that no stage reads; `tandem tune` reads the section `tune`."""


def check(content: dict[str, Any], sections_of: SectionReader) -> None:
    """Check the whole content of params.yaml.

    Raises:
        ParamsError: the file has mistakes; one message lists all of them.
    """
    project = params.pick_keys(params.ProjectParams, content)
    problems = list(params.problems_of(params.ProjectParams, project, ()))
    known = [*params.ProjectParams.model_fields, *registry.names("tasks")]
    # The tasks and methods determine which sections are required. If the lists of tasks and
    # methods cannot be read, only the sections that are present are checked.
    selection = params.pick_keys(params.PipelineParams, content)
    if list(params.problems_of(params.PipelineParams, selection, ())):
        problems += _present_section_problems(content)
    else:
        pipeline = params.load(params.PipelineParams, content=selection)
        known = [*params.ProjectParams.model_fields, *pipeline.tasks]
        problems += _name_problems(pipeline)
        problems += _section_problems(content, pipeline, sections_of, bool(problems))
    problems += [params.unknown_key(key, known) for key in content if key not in known]
    if problems:
        raise ParamsError("; ".join(dict.fromkeys(problems)))


def _name_problems(pipeline: params.PipelineParams) -> Iterator[str]:
    """Messages about tasks and methods that do not exist or are listed twice."""
    for key, package in (("tasks", "tasks"), ("methods", "compression")):
        names, available = getattr(pipeline, key), registry.names(package)
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{paths.PARAMS}: {key} lists {name} twice"
        for name in dict.fromkeys(names):
            if new := params.new_name(name, available):
                yield f"{paths.PARAMS}: {key}: {name} is now called {new}: rename it"
            elif name not in available:
                kind = registry.KINDS[package]
                yield str(UnknownName(kind, name, available, f"{paths.PARAMS}: {key}"))
    yield from _reference_problems(pipeline)


def _reference_problems(pipeline: params.PipelineParams) -> Iterator[str]:
    """Messages about references to unlisted tasks and missing entries of `augmentation_models`."""
    for key in ("augmentation_models", "augmentation_ablation", "preferences", "seeds"):
        for task in sorted(getattr(pipeline, key).keys() - {*pipeline.tasks}):
            yield params.unknown_key(f"{key}.{task}", pipeline.tasks)
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
    """Messages about mistakes in the sections of the tasks that exist.

    If dvc.yaml cannot be resolved with these params, the error is reported only if `has_problems`
    is false, because other problems may be its cause.
    """
    tasks = [task for task in dict.fromkeys(pipeline.tasks) if task in registry.names("tasks")]
    available = registry.names("compression")
    methods = [method for method in dict.fromkeys(pipeline.methods) if method in available]
    try:
        sections = sections_of({**content, "tasks": tasks, "methods": methods})
    except TandemError as error:
        if not has_problems:
            yield str(error)
        yield from _present_section_problems(content)
        return
    for task in tasks:
        yield from _task_problems(task, content.get(task), sections.get(task, ()), has_problems)


def _present_section_problems(content: Mapping[str, Any]) -> Iterator[str]:
    """Mistakes in all sections that are present, even in those that a task does not need."""
    for task in registry.names("tasks"):
        sections = content.get(task)
        for key, section in sections.items() if isinstance(sections, dict) else ():
            if model := section_model(key):
                yield from params.problems_of(model, section, (task, key))


def _task_problems(
    task: str, section: Any, needed: Collection[str], has_problems: bool
) -> Iterator[str]:
    """Mistakes in the section of one task, which must contain all sections in `needed`.

    Sections that no stage reads are reported only if `has_problems` is false, because another
    problem may be the reason why no stage reads them.
    """
    if not isinstance(section, dict):
        yield f"{paths.PARAMS}: {task} must be a mapping of sections"
        return
    known = [*needed, *OPTIONAL]
    unused = {*registry.names("stages"), *registry.names("compression")} - {*known}
    for key in section:
        if key in unused and not has_problems:
            yield f"{paths.PARAMS}: {task}.{key} is not read by any stage in {paths.DAG}: remove it"
        elif key not in known and key not in unused:
            names = [*known, *unused] if params.new_name(key, unused) else known
            yield params.unknown_key(f"{task}.{key}", names)
    for key in known:
        model = section_model(key)
        if key in section:
            yield from params.problems_of(model, section[key], (task, key)) if model else ()
        elif key in needed:
            yield f"{paths.PARAMS}: {task}.{key} is missing"


def section_model(name: str) -> type[StrictModel] | None:
    """The model of a section: `Params` of the stage or compression method that is called `name`.

    None if there is no such stage or method in Tandem, as for a user-defined stage.
    """
    if name in OPTIONAL:
        return OPTIONAL[name]
    for package in ("stages", "compression"):
        if name in registry.names(package):
            model: type[StrictModel] | None = getattr(registry.load(package, name), "Params", None)
            return model
    return None
