"""`patches.applies`, with which every patch checks that the installed version was tested."""

import pytest

from tandem import patches


@pytest.mark.parametrize(
    ("version", "expected"), [("1.2", True), ("1.2+cpu", True), ("1.20", False), ("1.3", False)]
)
def test_a_patch_applies_to_tested_versions_only(
    version: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.patches.metadata.version", lambda _: version)
    assert patches.applies("package", ("1.1", "1.2")) is expected


def test_no_patch_applies_to_a_missing_package() -> None:
    assert not patches.applies("nowhere-to-be-found", ("1.0",))
