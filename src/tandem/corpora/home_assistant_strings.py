"""User-interface texts of Home Assistant's components in two languages, read from a wheel.

An example record: id "zwave_js/config/error/invalid_ws_url", group and domain "zwave_js", text
"Invalid websocket URL", target "Ungültige Websocket-URL". One text in nine contains a
placeholder, such as {count}.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from tandem.core.raw_records import DatasetInfo, RawRecords
from tandem.corpora import CorpusParams
from tandem.downloads.archive import Archive

FOLDER = "homeassistant/components"


class Params(CorpusParams):
    """Source and target language, as the language codes in the package's file names."""

    source: str = Field(pattern=r"^[A-Za-z-]+$")
    """Source language, such as `en` or `zh-Hans`."""
    target: str = Field(pattern=r"^[A-Za-z-]+$")
    """Target language, such as `de` or `zh-Hans`."""


def rows(params: Params, archive: Archive) -> RawRecords:
    """Yield unique pairs of a source and a target text, component by component.

    Pairs with the same text in both languages are left out: they are untranslated texts or names.
    """
    names = set(archive.names)
    seen: set[tuple[str, str]] = set()
    for name in sorted(names):
        if not (name.startswith(FOLDER) and name.endswith(f"/translations/{params.source}.json")):
            continue
        target_name = name.removesuffix(f"{params.source}.json") + f"{params.target}.json"
        if target_name not in names:
            continue
        component = name.split("/")[2]
        targets = dict(strings(json.loads(archive.read(target_name))))
        for key, text in strings(json.loads(archive.read(name))):
            target = targets.get(key, text)
            if target != text and (text, target) not in seen:
                seen.add((text, target))
                yield {
                    "id": f"{component}/{key}",
                    "group": component,
                    "domain": component,
                    "text": text,
                    "target": target,
                }


def strings(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the key path and the value of every string in nested mappings."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from strings(value, f"{prefix}{key}/")
        elif isinstance(value, str):
            yield f"{prefix}{key}", value


def about(params: Params) -> DatasetInfo:
    """Return the description for the data card."""
    return DatasetInfo(
        title=f"Home Assistant interface texts, {params.source} to {params.target}",
        description=(
            "User-interface texts of Home Assistant's components, written in English and "
            "translated by its community: unique pairs of a text and its "
            f"translation ({params.source} to {params.target}); pairs of equal texts are left out."
        ),
        license="apache-2.0",
        languages=[params.source, params.target],
        citation="The Home Assistant Authors. Home Assistant. https://www.home-assistant.io",
        limits=[
            "The texts are labels and short sentences, six words long on average, from one kind "
            "of software.",
            "Many components share their wording, so not all texts of an unseen component are new.",
            "Translations are made by volunteers and reviewed unevenly.",
        ],
    )
