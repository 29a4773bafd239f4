"""A digest that changes only if the code of a source file changes.

Changes to the comments, docstrings and layout of Python code do not change the digest: it is
computed from the syntax tree, in a text form that does not depend on the Python version. The digest
of a file in another language depends on every byte.
"""

import ast
import hashlib
from pathlib import Path
from typing import Any


def source_digest(path: Path) -> str:
    """The SHA-256 of a file's code, in hexadecimal.

    Raises:
        SyntaxError: a Python file cannot be parsed.
    """
    content = path.read_bytes()
    if path.suffix == ".py":
        return tree_digest(ast.parse(content, filename=str(path)))
    return hashlib.sha256(content).hexdigest()


def tree_digest(tree: ast.AST) -> str:
    """The SHA-256 of a syntax tree, without positions, docstrings and empty fields."""
    parts: list[str] = []
    _write(tree, parts)
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def _write(node: Any, parts: list[str]) -> None:
    """Append the text form of a node to `parts`.

    `ast.dump` is not used because its output depends on the Python version.
    """
    if isinstance(node, ast.AST):
        parts += (type(node).__name__, "(")
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                value = [item for item in value if not is_docstring(item)]
            # New Python versions add optional fields to nodes; these fields are empty for code in
            # older syntax.
            if value is not None and value != [] and name not in ("kind", "type_comment"):
                parts += (name, "=")
                _write(value, parts)
        parts.append(")")
    elif isinstance(node, list):
        parts.append("[")
        for item in node:
            _write(item, parts)
            parts.append(",")
        parts.append("]")
    else:
        parts.append(repr(node))


def is_docstring(node: Any) -> bool:
    """Whether a statement is only a string, like a docstring; such a statement has no effect."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
