"""params.yaml, strictly: every section has a typed model, and all mistakes are told at once.

The top level of params.yaml holds `runtime`, `tasks`, `methods`, `augmenting`, `effects`,
`preferences`, `seeds` and one section a task. A task's section holds one part a stage, each owned
by that stage's module:

    sentiment:
      clean: {...}      →  tandem.stages.clean.Params
      train: {...}      →  tandem.stages.train.Params

`params_check` checks the whole file, `params_file` changes it.
"""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator
from ruamel.yaml.error import YAMLError

from tandem.core import paths
from tandem.core.errors import ParamsError
from tandem.core.io import parse_yaml
from tandem.core.schema import StrictModel


class Runtime(StrictModel):
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


class Preference(StrictModel):
    """A task whose model is moved toward human preferences."""

    ratings: str
    """The other task from whose rated rows the preferences are formed; it shares the source."""
    encoder: str
    """The model folder that the reward model starts from."""
    judge: str
    """The model folder that the independent judge starts from; no rating has touched it."""


class Lent(StrictModel):
    """The model folders that the augmentation of a task may use, so that DVC watches them."""

    model: str
    """What `masked_lm` asks, or what `back_translation` translates with."""
    back: str
    """What translates back, where a text goes there and back."""


class Seeds(StrictModel):
    """How often a task's model is trained anew to see how far its scores spread."""

    runs: list[Annotated[int, Field(ge=0)]] = Field(min_length=2)
    """The seed of each run; two at the least, or there is no spread."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len(set(self.runs)) < len(self.runs):
            raise ValueError("runs must differ: one seed twice gives one model twice")
        return self


class Sections(StrictModel):
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


M = TypeVar("M", bound=StrictModel)


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
    problems = list(problems_of(model, section, keys))
    if problems:
        raise ParamsError("; ".join(problems))
    return model.model_validate(section)


def project(content: dict[str, Any] | None = None) -> Project:
    """The keys of params.yaml that belong to no single task, checked."""
    return load(Project, content=own_keys(Project, read() if content is None else content))


def own_keys(model: type[StrictModel], content: dict[str, Any]) -> dict[str, Any]:
    """The part of params.yaml that `model` has fields for."""
    return {key: content[key] for key in model.model_fields if key in content}


def problems_of(model: type[StrictModel], section: Any, keys: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the section at `keys` of params.yaml, one text per mistake."""
    try:
        model.model_validate(section)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            at = ".".join([*keys, *(str(part) for part in problem["loc"])])
            if problem["type"] == "extra_forbidden":
                siblings = [
                    ".".join([*at.split(".")[:-1], name]) for name in _fields(model, problem["loc"])
                ]
                yield unknown_key(at, siblings)
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


def unknown_key(at: str, known: list[str]) -> str:
    """The message for a key that nothing reads, with the closest known one."""
    return f"{paths.PARAMS}: unknown key {at}.{_nearest(at, known)}"


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else f" Known: {', '.join(known)}" if known else ""
