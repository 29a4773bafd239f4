"""Base classes of all params: strict models, and params that choose a plug-in by `kind`."""

import importlib
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from tandem.core import registry
from tandem.core.errors import UnknownName


class StrictModel(BaseModel):
    """An immutable section of params.yaml; unknown keys and wrong types are errors."""

    # Validators are built at first use, so a stage does not build validators of other stages.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class PluginParams(StrictModel):
    """Base class of each plug-in's `Params`; `kind` is the name of the plug-in."""

    kind: str

    @property
    def plugin(self) -> ModuleType:
        """The module of the plug-in."""
        return importlib.import_module(type(self).__module__)


class plugin_field:  # noqa: N801 - it is used like a function
    """Annotation for a field whose `kind` chooses a plug-in of `tandem.<package>`.

    The value is a mapping that is validated by the `Params` of that plug-in::

        AnySource = Annotated[SourceParams, plugin_field("sources")]
    """

    def __init__(self, package: str) -> None:
        self.package = package

    def params(self, value: Any) -> type[PluginParams]:
        """The `Params` class that validates `value`.

        Raises:
            ValueError: `value` is not a mapping with a `kind`, or its `kind` is not the name of a
                plug-in.
        """
        if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
            names = ", ".join(registry.names(self.package))
            raise ValueError(f"must be a mapping with a `kind`, one of {names}")
        try:
            model: type[PluginParams] = registry.load(self.package, value["kind"]).Params
        except UnknownName as error:
            raise ValueError(str(error)) from None
        return model

    def __get_pydantic_core_schema__(
        self, source: type[PluginParams], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def build(value: Any) -> PluginParams:
            if isinstance(value, source):
                return value
            return self.params(value).model_validate(value)

        return core_schema.no_info_plain_validator_function(
            build,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value, info: value.model_dump(mode=info.mode), info_arg=True
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        choices = []
        for name in registry.names(self.package):
            params = registry.load(self.package, name).Params
            params.model_rebuild()
            kind = {"properties": {"kind": {"const": name}}, "required": ["kind"]}
            choices.append({"allOf": [handler(params.__pydantic_core_schema__), kind]})
        return {"oneOf": choices}
