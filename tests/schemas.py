"""The schemas of the output of `tandem COMMAND --json`: docs/schemas/COMMAND.json."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FOLDER = Path(__file__).parents[1] / "docs/schemas"


def valid(command: str, text: str) -> Any:
    """Parse `text`, and check it against the schema of `command`, such as `lineage-show`."""
    schema = json.loads((FOLDER / f"{command}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    answer = json.loads(text)
    Draft202012Validator(schema).validate(answer)
    return answer
