"""Read and check params.yaml: each section has a strict model, and all mistakes are reported at once.

The top level of params.yaml holds the keys of `ProjectParams` and one section per task. A task's
section has one section per stage, each described by `Params` of that stage's module:

    sentiment:
      clean: {...}      →  tandem.stages.clean.Params
      train: {...}      →  tandem.stages.train.Params

`params_check` checks the whole file, `params_file` changes it.
"""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator
from ruamel.yaml.error import YAMLError

from tandem.core import paths
from tandem.core.errors import ParamsError
from tandem.core.io import parse_yaml
from tandem.core.schema import StrictModel, plugin_field


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


class AugmentationModels(StrictModel):
    """The model folders that the augmentation of a task may use, so that DVC tracks them."""

    forward: str
    """The model that `masked_lm` uses, or that `back_translation` translates with."""
    backward: str
    """The model that translates back, if a text is translated there and back."""


class Seeds(StrictModel):
    """How often a task's model is trained anew to see how far its scores spread."""

    runs: list[Annotated[int, Field(ge=0)]] = Field(min_length=2)
    """The seed of each run; two at the least, or there is no spread."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len(set(self.runs)) < len(self.runs):
            raise ValueError("runs must differ: one seed twice gives one model twice")
        return self


class PipelineParams(StrictModel):
    """The keys of params.yaml that decide which stages there are."""

    tasks: list[str]
    methods: list[str]
    preferences: dict[str, Preference] = Field(default={})
    seeds: dict[str, Seeds] = Field(default={})
    augmentation_models: dict[str, AugmentationModels] = Field(default={})
    augmentation_ablation: dict[str, AugmentationModels] = Field(default={})


class ProjectParams(PipelineParams):
    """The keys of params.yaml that belong to no single task."""

    runtime: Runtime

    def models_of(self, task: str) -> AugmentationModels:
        """The entry of `task` in `augmentation_models`.

        Raises:
            ParamsError: there is none.
        """
        if task not in self.augmentation_models:
            raise ParamsError(f"{paths.PARAMS}: augmentation_models.{task} is missing")
        return self.augmentation_models[task]


RENAMED = {
    "accumulation": "gradient_accumulation_steps",
    "anchor": "sft_weight",
    "at_most": "max_rows",
    "augmentation_effect": "augmentation_ablation",
    "augmenting": "augmentation_models",
    "back": "backward",
    "beams": "num_beams",
    "blocks": "keep_layers",
    "clip": "max_grad_norm",
    "effects": "augmentation_ablation",
    "evaluate_every": "eval_steps",
    "every": "every_nth_rating",
    "ffn": "ffn_dim",
    "gap": "min_margin",
    "healing": "recovery",
    "heads": "attention_heads",
    "hidden": "span_dropout",
    "jury": "judge_holdout",
    "keep": "skip_modules",
    "l2": "weight_decay",
    "licence": "license",
    "likeness": "near_duplicates",
    "max_positions": "max_position_embeddings",
    "model": "forward",
    "new_tokens": "max_new_tokens",
    "patience": "early_stopping_patience",
    "permutations": "num_perm",
    "prompting": "generation",
    "rank": "r",
    "rating_edges": "rating_thresholds",
    "schedule": "lr_scheduler_type",
    "share": "fraction",
    "shingle": "ngram_size",
    "soft": "distillation_weight",
    "steps": "max_steps",
    "student": "distilled",
    "targets": "target_modules",
    "units": "keep_ffn",
    "unreadable": "on_unreadable",
    "vocabulary": "vocab_size",
    "warmup": "warmup_ratio",
    "weights": "grouped",
    "words": "prompt_words",
    "z": "min_z",
}
"""Key of an earlier version → its name now; `unknown_key` names it where the new key exists."""


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


def project(content: dict[str, Any] | None = None) -> ProjectParams:
    """The keys of params.yaml that belong to no single task, checked."""
    return load(
        ProjectParams, content=pick_keys(ProjectParams, read() if content is None else content)
    )


def pick_keys(model: type[StrictModel], content: dict[str, Any]) -> dict[str, Any]:
    """The part of params.yaml that `model` has fields for."""
    return {key: content[key] for key in model.model_fields if key in content}


def problems_of(model: type[StrictModel], section: Any, keys: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the section at `keys` of params.yaml, one text per mistake."""
    try:
        model.model_validate(section)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            location = tuple(str(part) for part in problem["loc"])
            at = ".".join([*keys, *location])
            if problem["type"] == "extra_forbidden":
                prefix = ".".join([*keys, *location[:-1]])
                names = known_keys(model, section, problem["loc"][:-1])
                yield unknown_key(at, [f"{prefix}.{name}" if prefix else name for name in names])
            elif problem["type"] == "missing":
                yield f"{paths.PARAMS}: {at} is missing"
            else:
                found = repr(problem.get("input"))
                shown = found if len(found) <= 60 else found[:57] + "..."
                yield f"{paths.PARAMS}: {at}: {problem['msg']} (found {shown})"


def known_keys(model: Any, section: Any, location: tuple[int | str, ...]) -> list[str]:
    """The keys allowed at `location` in a section that `model` describes; none if that is open.

    The values of the section say which plug-in, or which member of a union, is meant.
    """
    field = None
    for part in location:
        fields = getattr(model, "model_fields", {})
        if isinstance(part, int):
            section = section[part]
        elif part in fields:
            field, section = fields[part], section.get(part)
        if field is not None:  # any other part is a key of a mapping, or a member of a union
            model = _model_of(field.annotation, field.metadata, section)
    return list(getattr(model, "model_fields", {}))


def _model_of(annotation: Any, metadata: Sequence[Any], section: Any) -> Any:
    """The model in the type of a field that describes the mapping `section`; None if none does."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        plugin = next((note for note in metadata if isinstance(note, plugin_field)), None)
        if plugin is None:
            return annotation
        with suppress(ValueError):
            return plugin.params(section)
        return None
    parts = [
        _model_of(getattr(part, "__origin__", part), getattr(part, "__metadata__", ()), section)
        if hasattr(part, "__metadata__")
        else _model_of(part, (), section)
        for part in get_args(annotation)
    ]
    models = [part for part in parts if part is not None]
    kind = section.get("kind") if isinstance(section, dict) else None
    chosen = [m for m in models if "kind" in m.model_fields and kind in _literals(m)]
    return next(iter([*chosen, *models]), None)


def _literals(model: type[BaseModel]) -> tuple[Any, ...]:
    """The values that the field `kind` of a model allows."""
    return get_args(model.model_fields["kind"].annotation)


def unknown_key(at: str, known: list[str]) -> str:
    """The message for a key that nothing reads, with its new or the closest known name."""
    prefix, _, key = at.rpartition(".")
    renamed = f"{prefix}.{RENAMED.get(key)}" if prefix else RENAMED.get(key)
    if renamed in known:
        return f"{paths.PARAMS}: {at} is now called {renamed.rpartition('.')[2]}: rename the key"
    return f"{paths.PARAMS}: unknown key {at}.{_nearest(at, known)}"


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else f" Known: {', '.join(known)}" if known else ""
