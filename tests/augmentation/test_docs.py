"""What docs/augmentation.md tells users to write is right."""

import re
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tandem.core import params, params_check, paths
from tandem.engines import dvc_stages

ROOT = Path(__file__).parents[2]
SECTIONS = partial(dvc_stages.sections, root=ROOT)


def test_the_settings_shown_are_valid() -> None:
    text = (ROOT / "docs/augmentation.md").read_text()
    operation, *mappings = (
        YAML(typ="safe", pure=True).load(block)
        for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    )
    content: dict[str, Any] = params.read(ROOT / paths.PARAMS)
    content["intent"]["augment"]["operations"] = operation
    for mapping in mappings:
        for section, values in mapping.items():
            content[section] = content.get(section, {}) | values
    assert content["augmentation_ablation"] and content["sentiment"]["augmentation_ablation"]
    params_check.check(content, SECTIONS)


def test_every_operation_is_in_the_table() -> None:
    text = (ROOT / "docs/augmentation.md").read_text()
    told = re.findall(r"^\| (\w+) \|", text, re.MULTILINE)[1:]
    files = (ROOT / "src/tandem/augmentation").glob("[a-z]*.py")
    assert sorted(told) == sorted(file.stem for file in files)
