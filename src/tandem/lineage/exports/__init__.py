"""Export formats that other tools read; each is a module with the format's name.

Each module implements `ExportFormat`. A format that requires a certain folder names it in `FOLDER`.
Third-party libraries for these formats are used only in tests.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tandem.lineage.graph import Graph


class ExportFormat(Protocol):
    """The interface that each module in this folder implements."""

    def export(self, graph: "Graph", root: Path, folder: Path) -> Mapping[str, Any]:
        """File name → content, which is a JSON value or a string.

        Args:
            graph: The graph of the records.
            root: The folder of the project.
            folder: The folder that the files are written to.
        """
