"""Write the lineage in a format that other tools read. Each module of `exports` is a format.

    tandem lineage export prov            →  exports/prov/
    tandem lineage export croissant --to shared

An export contains no random ids, and no times except that of the commit of the records, so the same
records give the same bytes.
"""

from pathlib import Path

from tandem.core import io, registry
from tandem.lineage.graph import read

EXPORTS = Path("exports")


def export(form: str, to: str = "") -> list[str]:
    """Write the files of one format.

    Existing files with the same names are replaced. In exports/FORMAT all other files are removed.

    Args:
        form: The format, such as `ro-crate`.
        to: The folder; the default is exports/FORMAT, or the folder that the format requires.

    Returns:
        The paths of the files.

    Raises:
        UnknownName: there is no such format; the message suggests the closest name.
        LineageError: there are no records, or the format needs something that they lack.
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
