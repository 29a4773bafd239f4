"""Read params.yaml, check each section with a strict Pydantic model, and report all mistakes.

The top level of params.yaml contains the keys of `ProjectParams` and one section per task. A task's
section contains one section per stage, described by the class `Params` in the stage's module:

    sentiment:
      clean: {...}      →  tandem.stages.clean.Params
      train: {...}      →  tandem.stages.train.Params

`params_check` checks the whole file; `params_file` changes it.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator
from ruamel.yaml.error import YAMLError

from tandem.core import paths
from tandem.core.errors import ParamsError, suggest
from tandem.core.io import parse_yaml
from tandem.core.schema import StrictModel, plugin_field


class Runtime(StrictModel):
    """Settings on which the exact bytes of artifacts depend; see `tandem.core.determinism`."""

    seed: int = Field(ge=0)
    """Seed of all random numbers."""
    threads: int = Field(ge=1)
    """Number of threads per process. Results with different numbers of threads are not identical
    bit for bit."""
    isa: Literal["avx2", "avx512", "default"]
    """Instruction set that numeric libraries may use. `default` sets no restriction, so
    exact results depend on the CPU."""
    device: Literal["cpu", "auto"]
    """`cpu`, or `auto`: the first GPU if there is one, otherwise the CPU."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Precision of matrix products in training; weights, scores and all other stages use fp32."""
    processes: int = Field(default=1, ge=1)
    """Number of data-parallel processes of the stage `train`. Each process uses `threads` threads
    and its own batches of `batch_size` rows."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.precision == "fp16" and self.device == "cpu":
            raise ValueError(
                "precision fp16 needs a GPU and the setting device: auto; use bf16 on a CPU"
            )
        return self


class Preference(StrictModel):
    """What the alignment of a task uses: the task that provides the ratings, and two models.

    The reward model and the judge are initialized from these models.
    """

    ratings: str
    """The task whose ratings are used to form preference pairs; it must have the same data source
    as the task that is aligned."""
    encoder: str
    """The model folder that the reward model is initialized from."""
    judge: str
    """The folder of the model that the independent judge is initialized from; this model must not
    have been trained on the ratings."""


class AugmentationModels(StrictModel):
    """The two model folders that a task's augmentations may use; DVC tracks both of them."""

    forward: str
    """The model for `masked_lm`, or the model with which `back_translation` translates into another
    language."""
    backward: str
    """The model with which `back_translation` translates back into the original language."""


class Seeds(StrictModel):
    """Repeated training runs of a task, which show how much its scores depend on the seed."""

    runs: list[Annotated[int, Field(ge=0)]] = Field(min_length=2)
    """The seed of each run; at least two seeds are needed to measure how much scores vary."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len(set(self.runs)) < len(self.runs):
            raise ValueError("the seeds must be different: identical seeds give identical models")
        return self


class PipelineParams(StrictModel):
    """The keys of params.yaml that decide which stages exist."""

    tasks: list[str]
    """Tasks of the pipeline. Each task is defined by a file in `tandem/tasks` and a section of
    params.yaml."""
    methods: list[str]
    """Compression methods, applied to every task. Each method is implemented by a file in
    `tandem/compression`."""
    preferences: dict[str, Preference] = Field(default={})
    """Task that is aligned → what its alignment uses. Tasks without an entry are not aligned."""
    seeds: dict[str, Seeds] = Field(default={})
    """Task → the seeds that it is trained with, to measure how much its scores vary."""
    augmentation_models: dict[str, AugmentationModels] = Field(default={})
    """Task → model folders that its augmentations may use."""
    augmentation_ablation: dict[str, AugmentationModels] = Field(default={})
    """Task → model folders for the stage that measures the effect of each augmentation on its
    own."""


class ProjectParams(PipelineParams):
    """The keys of params.yaml that do not belong to a single task."""

    runtime: Runtime

    def models_of(self, task: str) -> AugmentationModels:
        """The model folders of `task` in `augmentation_models`.

        Raises:
            ParamsError: the entry is missing.
        """
        if task not in self.augmentation_models:
            raise ParamsError(f"{paths.PARAMS}: augmentation_models.{task} is missing")
        return self.augmentation_models[task]


RENAMED = (
    ("accumulation", "gradient_accumulation_steps"),
    ("anchor", "sft_weight"),
    ("at_most", "max_rows"),
    ("augmentation_effect", "augmentation_ablation"),
    ("augmenting", "augmentation_models"),
    ("back", "backward"),
    ("beams", "num_beams"),
    ("blocks", "keep_layers"),
    ("blocks", "num_hidden_layers"),
    ("clip", "max_grad_norm"),
    ("effects", "augmentation_ablation"),
    ("evaluate_every", "eval_steps"),
    ("every", "every_nth_rating"),
    ("ffn", "ffn_dim"),
    ("gap", "min_margin"),
    ("healing", "recovery"),
    ("heads", "attention_heads"),
    ("heads", "keep_heads"),
    ("hidden", "span_dropout"),
    ("jury", "judge_holdout"),
    ("keep", "skip_modules"),
    ("l2", "weight_decay"),
    ("licence", "license"),
    ("likeness", "near_duplicates"),
    ("max_positions", "max_position_embeddings"),
    ("model", "forward"),
    ("new_tokens", "max_new_tokens"),
    ("patience", "early_stopping_patience"),
    ("permutations", "num_perm"),
    ("prompting", "generation"),
    ("rank", "r"),
    ("rating_edges", "rating_thresholds"),
    ("schedule", "lr_scheduler_type"),
    ("share", "fraction"),
    ("share", "keep_weights"),
    ("shingle", "ngram_size"),
    ("soft", "distillation_weight"),
    ("steps", "max_steps"),
    ("student", "distilled"),
    ("targets", "target_modules"),
    ("units", "keep_ffn"),
    ("unreadable", "on_unreadable"),
    ("vocabulary", "vocab_size"),
    ("warmup", "warmup_ratio"),
    ("weights", "grouped"),
    ("words", "prompt_words"),
    ("z", "min_z"),
)
"""Pairs of a key's name in an earlier version and its new name; see `new_name`."""


M = TypeVar("M", bound=StrictModel)


def read(path: Path = paths.PARAMS) -> dict[str, Any]:
    """Read a params file as YAML 1.2, as DVC does.

    Raises:
        ParamsError: the file is missing or does not contain a YAML mapping.
    """
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        is_project = path == paths.PARAMS
        where = ": run the command in the root of the project" if is_project else ""
        raise ParamsError(f"{path} is missing{where}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise ParamsError(f"{path} is not YAML: {problem}") from None
    if not isinstance(content, dict):
        raise ParamsError(f"{path} must be a mapping of sections, not {type(content).__name__}")
    return content


def load(model: type[M], *keys: str, content: dict[str, Any] | None = None) -> M:
    """Read and check a section of params.yaml.

    Args:
        model: The model that describes the section.
        keys: The keys that lead to the section, such as `"sentiment", "clean"`.
        content: The content of params.yaml; if it is None, the file is read.

    Raises:
        ParamsError: keys are unknown, missing or invalid; one message lists all of them.
    """
    section: Any = read() if content is None else content
    for depth, key in enumerate(keys):
        if not isinstance(section, dict) or key not in section:
            location = ".".join(keys[: depth + 1])
            present = sorted(section) if isinstance(section, dict) else []
            raise ParamsError(f"{paths.PARAMS}: {location} is missing.{_hint(key, present)}")
        section = section[key]
    problems = list(problems_of(model, section, keys))
    if problems:
        raise ParamsError("; ".join(problems))
    return model.model_validate(section)


def project(content: dict[str, Any] | None = None) -> ProjectParams:
    """Read and check the keys of params.yaml that do not belong to a single task.

    Raises:
        ParamsError: keys are unknown, missing or invalid; one message lists all of them.
    """
    return load(
        ProjectParams, content=pick_keys(ProjectParams, read() if content is None else content)
    )


def pick_keys(model: type[StrictModel], content: dict[str, Any]) -> dict[str, Any]:
    """The top-level keys of params.yaml that `model` has fields for."""
    return {key: content[key] for key in model.model_fields if key in content}


def problems_of(model: type[StrictModel], section: Any, keys: tuple[str, ...]) -> Iterator[str]:
    """Check `section`, the value at `keys` in params.yaml; yield one message per mistake.

    If a key is present under its earlier name, its new name is not also reported as missing.
    """
    try:
        model.model_validate(section)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        unknown = [problem["loc"] for problem in problems if problem["type"] == "extra_forbidden"]
        allowed = {loc: known_keys(model, section, loc[:-1]) for loc in unknown}
        renamed = {(*loc[:-1], new_name(str(loc[-1]), allowed[loc])) for loc in unknown}
        for problem in problems:
            loc = problem["loc"]
            location = ".".join([*keys, *map(str, loc)])
            if problem["type"] == "extra_forbidden":
                yield unknown_key(location, allowed[loc])
            elif problem["type"] == "missing":
                if loc not in renamed:
                    yield f"{paths.PARAMS}: {location} is missing"
            else:
                value = repr(problem.get("input"))
                shown = value if len(value) <= 60 else value[:57] + "..."
                yield f"{paths.PARAMS}: {location}: {problem['msg']} (found {shown})"


def known_keys(model: Any, section: Any, location: tuple[int | str, ...]) -> list[str]:
    """The keys allowed at `location` in a section that `model` describes.

    The result is empty if any key is allowed. The values of the section determine which plug-in, or
    which member of a union, describes a nested mapping.
    """
    field = None
    for part in location:
        fields = getattr(model, "model_fields", {})
        if isinstance(part, int):
            section = section[part]
        elif part in fields:
            field, section = fields[part], section.get(part)
        # A part of `location` that names no field is a key of a mapping or a member of a union.
        if field is not None:
            model = _model_of(field.annotation, field.metadata, section)
    return list(getattr(model, "model_fields", {}))


def _model_of(annotation: Any, metadata: Sequence[Any], section: Any) -> Any:
    """The model that describes the mapping `section` in a field of type `annotation`.

    None if no model describes the mapping.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        plugin = next((item for item in metadata if isinstance(item, plugin_field)), None)
        if plugin is None:
            return annotation
        with suppress(ValueError):
            return plugin.params(section)
        return None
    # The type is a union or a container; `kind` selects one of the models in its type arguments.
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
    """The values that the field `kind` of a model accepts."""
    return get_args(model.model_fields["kind"].annotation)


def new_name(key: str, known: Collection[str]) -> str | None:
    """The name in `known` of a key that was formerly called `key`; None if there is none."""
    return next((new for old, new in RENAMED if old == key and new in known), None)


def unknown_key(location: str, known: Collection[str]) -> str:
    """The message for an unknown key; suggests its new name or the closest known key.

    Args:
        location: The full dotted key, such as `intent.split.salt`.
        known: The keys that are allowed in that section.
    """
    key = location.rpartition(".")[2]
    if new := new_name(key, known):
        return f"{paths.PARAMS}: {location} is now called {new}: rename the key"
    return f"{paths.PARAMS}: unknown key {location}.{_hint(key, known)}"


def _hint(name: str, known: Collection[str]) -> str:
    """The end of a message about an unknown name: the closest known name, or all known names."""
    return suggest(name, known) or (f" Known: {', '.join(known)}" if known else "")
