"""params.yaml, strictly: every section has a typed model, and all mistakes are told at once.

The top level of params.yaml holds `runtime`, `tasks`, `methods`, `augmenting`, `effects`,
`preferences`, `seeds` and one section a task. A task's section holds one part a stage, each owned
by that stage's module:

    sentiment:
      clean: {...}      →  tandem.stages.clean.Params
      train: {...}      →  tandem.stages.train.Params
"""

import difflib
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.representer import RoundTripRepresenter

from tandem.core import paths, registry
from tandem.core.errors import ParamsError, UnknownName
from tandem.core.io import parse_yaml, write_text, writing


class Strict(BaseModel):
    """A section of params.yaml: no unknown key, no silent conversion, no change after reading."""

    # Built at first use: a stage starts without the models of all other stages.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class Runtime(Strict):
    """What pins the bits of every artifact; see `tandem.core.determinism`."""

    seed: int = Field(ge=0)
    threads: int = Field(ge=1)
    isa: Literal["avx2", "avx512", "default"]
    device: Literal["cpu", "auto"]
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """What training multiplies in; weights, scores and all other stages stay fp32."""
    processes: int = Field(default=1, ge=1)
    """Processes that share a step of `train`, each with `threads` and `batch_size` rows."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.precision == "fp16" and self.device == "cpu":
            raise ValueError("precision fp16 needs device: auto and a GPU; a CPU has bf16")
        return self


class Preference(Strict):
    """A task whose model is moved toward human preferences."""

    ratings: str
    """The other task from whose rated rows the preferences are formed; it shares the source."""
    encoder: str
    """The model folder that the reward model starts from."""
    judge: str
    """The model folder that the independent judge starts from; no rating has touched it."""


class Lent(Strict):
    """The model folders that the augmentation of a task may use, so that DVC watches them."""

    model: str
    """What `masked_lm` asks, or what `back_translation` translates with."""
    back: str
    """What translates back, where a text goes there and back."""


class Seeds(Strict):
    """How often a task's model is trained anew to see how far its scores spread."""

    runs: list[Annotated[int, Field(ge=0)]] = Field(min_length=2)
    """The seed of each run; two at the least, or there is no spread."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len(set(self.runs)) < len(self.runs):
            raise ValueError("runs must differ: one seed twice gives one model twice")
        return self


class Sections(Strict):
    """The keys of params.yaml that say which stages there are, and so which sections."""

    tasks: list[str]
    methods: list[str]
    preferences: dict[str, Preference]
    seeds: dict[str, Seeds] = {}
    augmenting: dict[str, Lent] = {}
    effects: dict[str, Lent] = {}


class Project(Sections):
    """The keys of params.yaml that belong to no single task."""

    runtime: Runtime

    def lent(self, task: str) -> Lent:
        """The entry of `task` under `augmenting`.

        Raises:
            ParamsError: it has none.
        """
        if task not in self.augmenting:
            raise ParamsError(f"{paths.PARAMS}: augmenting.{task} is missing")
        return self.augmenting[task]


class Plugin(Strict):
    """Params that choose one plug-in by `kind` and carry its own settings.

    `package` is the folder of `tandem` that the plug-in comes from; each of its modules has a
    `Params(Plugin)` of its own.
    """

    package: ClassVar[str]
    kind: str

    @property
    def module(self) -> ModuleType:
        """The plug-in that `kind` names."""
        return registry.load(self.package, self.kind)


def plugin(package: str) -> Any:
    """A field type: a mapping with a `kind`, checked by that plug-in's own `Params`."""

    def build(value: Any) -> Any:
        if isinstance(value, Plugin):
            return value
        if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
            raise ValueError(f"needs a mapping with a kind, one of {registry.names(package)}")
        try:
            module = registry.load(package, value["kind"])
        except UnknownName as error:
            raise ValueError(str(error)) from None
        return module.Params.model_validate(value)

    return Annotated[SerializeAsAny[Plugin], BeforeValidator(build)]


M = TypeVar("M", bound=Strict)


def read(path: Path = paths.PARAMS) -> dict[str, Any]:
    """The raw mapping in `path`, read as YAML 1.2 as DVC does."""
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        where = ": run from the project's root" if path == paths.PARAMS else ""
        raise ParamsError(f"{path} is missing{where}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise ParamsError(f"{path} is not YAML: {problem}") from None
    if not isinstance(content, dict):
        raise ParamsError(f"{path} must be a mapping of sections, not {type(content).__name__}")
    return content


def load(model: type[M], *keys: str, content: dict[str, Any] | None = None) -> M:
    """The section at `keys` of params.yaml (`"sentiment", "clean"`), checked by `model`.

    Raises:
        ParamsError: unknown, missing or ill-typed keys, all of them in one message.
    """
    section: Any = read() if content is None else content
    for depth, key in enumerate(keys):
        if not isinstance(section, dict) or key not in section:
            at = ".".join(keys[: depth + 1])
            known = sorted(section) if isinstance(section, dict) else []
            raise ParamsError(f"{paths.PARAMS}: {at} is missing.{_nearest(key, known)}")
        section = section[key]
    problems = list(_problems(model, section, keys))
    if problems:
        raise ParamsError("; ".join(problems))
    return model.model_validate(section)


def overlay(top: Path, base: Path) -> None:
    """Lay the values of `top` over those of `base`, and write `base`, comments kept.

    Raises:
        ParamsError: the result is not valid; `base` stays as it was.
    """
    lay(read(top), base)


def lay(values: dict[str, Any], base: Path = paths.PARAMS) -> None:
    """Lay `values` over those of `base`, and write `base`, comments and layout kept.

    Raises:
        ParamsError: the result is not valid; `base` stays as it was.
    """
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 100
    yaml.preserve_quotes = True
    yaml.Representer = _Representer
    read(base)
    below = yaml.load(base.read_text(encoding="utf-8"))
    merge(values, below)
    check(below)
    text = StringIO()
    yaml.dump(below, text)
    with writing(base) as (partial,):
        write_text(partial, text.getvalue())


class _Representer(RoundTripRepresenter):
    """Writes None as `null`; ruamel's own leaves its place empty."""

    def represent_none(self, _: None) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _Representer.represent_none)


def merge(top: dict[str, Any], below: Any) -> None:
    """Lay the values of `top` over those of `below`, in place.

    A mapping with another `kind` is another plug-in's, and takes the whole place of the old one.
    """
    for key, value in top.items():
        old = below.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and not _another_kind(value, old):
            merge(value, old)
        else:
            below[key] = value


def _another_kind(top: dict[str, Any], below: Any) -> bool:
    return "kind" in top and "kind" in below and top["kind"] != below["kind"]


def project(content: dict[str, Any] | None = None) -> Project:
    """The keys of params.yaml that belong to no single task, checked."""
    return load(Project, content=_own(Project, read() if content is None else content))


def _own(model: type[Strict], content: dict[str, Any]) -> dict[str, Any]:
    return {key: content[key] for key in model.model_fields if key in content}


def check(content: dict[str, Any] | None = None) -> None:
    """Check the whole of params.yaml, as far as any stage would ever read it.

    Raises:
        ParamsError: every mistake of the file, in one message.
    """
    content = read() if content is None else content
    problems = list(_problems(Project, _own(Project, content), ()))
    sections = [*Project.model_fields, *registry.names("tasks")]
    if not list(_problems(Sections, _own(Sections, content), ())):
        whole = load(Sections, content=_own(Sections, content))
        sections = [*Project.model_fields, *whole.tasks]
        problems.extend((*_name_problems(whole), *_meant_problems(whole)))
        known = _that_exist(whole)
        for task in known.tasks:
            problems.extend(_task_problems(task, content.get(task), known))
    problems.extend(_unknown(key, sections) for key in content if key not in sections)
    if problems:
        raise ParamsError("; ".join(problems))


def _that_exist(whole: Sections) -> Sections:
    """The same without names of tasks and methods that nothing answers to."""
    tasks, methods = registry.names("tasks"), registry.names("compression")
    return whole.model_copy(
        update={
            "tasks": [task for task in dict.fromkeys(whole.tasks) if task in tasks],
            "methods": [method for method in whole.methods if method in methods],
        }
    )


def _name_problems(whole: Sections) -> Iterator[str]:
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
            yield _unknown(f"{key}.{task}", [f"{key}.{known}" for known in whole.tasks])


def _meant_problems(whole: Sections) -> Iterator[str]:
    """Tasks whose ratings no task has, and tasks that are named twice."""
    for task, preference in whole.preferences.items():
        if preference.ratings not in whole.tasks:
            where = f"{paths.PARAMS}: preferences.{task}.ratings"
            yield str(UnknownName("task", preference.ratings, whole.tasks, where))
    for task in sorted({task for task in whole.tasks if whole.tasks.count(task) > 1}):
        yield f"{paths.PARAMS}: tasks: {task} stands there twice"


def _task_problems(task: str, section: Any, whole: Sections) -> Iterator[str]:
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
            yield _unknown(f"{task}.{key}", known)
    for key, model in models.items():
        if key not in section:
            yield f"{paths.PARAMS}: {task}.{key} is missing"
        else:
            yield from _problems(model, section[key], (task, key))


def stage_models(task: str, whole: Sections) -> dict[str, type[Strict]]:
    """The sections that a task must have, each with the model that owns it."""
    stages = ["fetch", "fetch_model", "clean", "split", "augment", "train", "baseline", "evaluate"]
    if task in whole.preferences:
        stages += ["reward", "judge", "align", "evaluate_preferences"]
    if task in whole.effects:
        stages += ["augmentation_effect"]
    models = {stage: registry.load("stages", stage).Params for stage in stages}
    return models | {m: registry.load("compression", m).Params for m in whole.methods}


def optional_models() -> dict[str, type[Strict]]:
    """The sections that a task may have, for tools that no engine runs."""
    from tandem.core.search import Search  # it is built on what stands here

    return {"tune": Search}


def _problems(model: type[Strict], section: Any, keys: tuple[str, ...]) -> Iterator[str]:
    try:
        model.model_validate(section)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            at = ".".join([*keys, *(str(part) for part in problem["loc"])])
            if problem["type"] == "extra_forbidden":
                siblings = [
                    ".".join([*at.split(".")[:-1], name]) for name in _fields(model, problem["loc"])
                ]
                yield _unknown(at, siblings)
            elif problem["type"] == "missing":
                yield f"{paths.PARAMS}: {at} is missing"
            else:
                found = repr(problem.get("input"))
                shown = found if len(found) <= 60 else found[:57] + "..."
                yield f"{paths.PARAMS}: {at}: {problem['msg']} (found {shown})"


def _fields(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The names allowed where an unknown key stood, `loc` being its place below `model`."""
    for part in loc[:-1]:
        field = model.model_fields.get(str(part))
        if (
            field is not None
            and isinstance(field.annotation, type)
            and issubclass(field.annotation, BaseModel)
        ):
            model = field.annotation
        elif not isinstance(part, int):
            return []
    return list(model.model_fields)


def _unknown(at: str, known: list[str]) -> str:
    return f"{paths.PARAMS}: unknown key {at}.{_nearest(at, known)}"


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else f" Known: {', '.join(known)}" if known else ""
