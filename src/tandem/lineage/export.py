"""Write the lineage in a format that other tools read: one file a format in `exports`.

    tandem lineage export prov            →  exports/prov/
    tandem lineage export croissant --to shared

An export has no time but that of the records' commit, and no random id: the same records give the
same bytes.
"""

from pathlib import Path

from tandem.core import io, registry
from tandem.lineage.graph import read

EXPORTS = Path("exports")


def export(form: str, to: str = "") -> list[str]:
    """Write the files of one format into the folder `to`, or into its own: exports/FORMAT.

    Files of that name are replaced; the format's own folder then holds nothing else.

    Returns:
        The paths of the files.

    Raises:
        UnknownName: there is no such format; the nearest is offered.
        LineageError: there are no records, or they lack what the format needs.
    """
    name = form.replace("-", "_")
    module = registry.load("lineage.exports", name)
    own = EXPORTS / name
    place = Path(to or getattr(module, "PLACE", own))
    files = module.export(read(), Path(), place)
    finals = [place / file for file in files]
    with io.atomic_outputs(*finals) as partials:
        for partial, content in zip(partials, files.values(), strict=True):
            if isinstance(content, str):
                io.write_text(partial, content)
            else:
                io.write_json(partial, content)
    if place == own:
        for path in {*own.iterdir()} - {*finals}:
            io.remove(path)
    return [str(final) for final in finals]
