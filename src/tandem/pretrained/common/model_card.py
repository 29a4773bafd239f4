"""The model card of a folder of pretrained weights."""

from collections.abc import Mapping


def card(task_name: str, pins: Mapping[str, str]) -> str:
    """Return the text of the card: front matter for the Hugging Face Hub, and a list of `pins`.

    Args:
        task_name: Name of the task that uses the weights.
        pins: Identifiers of the weights, such as version and hash, and their license.
    """
    lines = "\n".join(f"- {name}: {value}" for name, value in pins.items())
    body = f"# Pretrained weights for the task {task_name}\n\n{lines}\n"
    return _front_matter(pins["license"]) + body if "license" in pins else body


def _front_matter(license_id: str) -> str:
    from huggingface_hub import ModelCardData

    return f"---\n{ModelCardData(license=license_id).to_yaml()}\n---\n\n"
