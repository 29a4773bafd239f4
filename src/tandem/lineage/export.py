"""Write the lineage in a format that other tools read.

Each module in `exports` writes one format.

    tandem lineage export prov            →  exports/prov/
    tandem lineage export croissant --to shared

An export contains no random ids, and no time other than that of the last commit that changed the
records. Exports of the same commit are therefore identical.
"""

from pathlib import Path

from tandem.core import io, registry
from tandem.lineage.graph import read

EXPORTS = Path("exports")


def export(form: str, to: str = "") -> list[str]:
    """Write the lineage in one format.

    Existing files with the same names are replaced. If the folder is exports/FORMAT,
    all other files in it are removed.

    Args:
        form: The format, such as `ro-crate`.
        to: The folder to write to. The default is the folder that the format requires, if any, or
            exports/FORMAT.

    Returns:
        The paths of the files that were written.

    Raises:
        UnknownName: there is no such format; the message suggests the closest name.
        LineageError: there are no records, or a requirement of the format is not met.
    """
    name = form.replace("-", "_")
    module = registry.load("lineage.exports", name)
    default = EXPORTS / name
    folder = Path(to or getattr(module, "FOLDER", default))
    files = module.export(read(), Path(), folder)
    finals = [folder / file for file in files]
    with io.atomic_outputs(*finals) as partials:
        for partial, content in zip(partials, files.values(), strict=True):
            if isinstance(content, str):
                io.write_text(partial, content)
            else:
                io.write_json(partial, content)
    if folder == default:
        for path in {*default.iterdir()} - {*finals}:
            io.remove(path)
    return [str(final) for final in finals]
