"""The card of a folder of pretrained weights."""

from collections.abc import Mapping


def card(task: str, pins: Mapping[str, str]) -> str:
    """Markdown with the front matter of the Hugging Face hub."""
    lines = [f"- {name}: {value}" for name, value in pins.items()]
    front_matter = f"---\nlicense: {pins['license']}\n---\n\n" if "license" in pins else ""
    body = "\n".join(lines)
    return f"{front_matter}# Pretrained weights of the task {task}\n\n{body}\n"
