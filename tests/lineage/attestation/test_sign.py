import base64
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from lineage.small import git

from tandem.core import io
from tandem.core.errors import LineageError
from tandem.lineage.attestation.bundle import read_bundle
from tandem.lineage.attestation.sign import attest

BUNDLE = Path("attestation.jsonl")
PLAIN = serialization.NoEncryption()
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
OPENSSH = serialization.PrivateFormat.OpenSSH
Lines = list[bytes]


def write_key_pair(
    folder: Path, name: str, secret: Any, key_format: Any = PKCS8, encryption: Any = PLAIN
) -> tuple[str, Path]:
    """Write a private key, and its public key in the format of OpenSSH."""
    private, public = folder / name, folder / f"{name}.pub"
    private.write_bytes(secret.private_bytes(PEM, key_format, encryption))
    openssh = secret.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    public.write_bytes(openssh + b" someone@somewhere\n")
    return str(private), public


@pytest.fixture
def key(tmp_path: Path) -> tuple[str, Path]:
    return write_key_pair(tmp_path, "key", ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32))


@pytest.fixture
def signed(published: Path, key: tuple[str, Path]) -> Lines:
    attest(key[0])
    return BUNDLE.read_bytes().splitlines(keepends=True)


def rejection(key: tuple[str, Path], lines: Lines) -> str:
    """The message with which a bundle of these lines is rejected."""
    BUNDLE.write_bytes(b"".join(lines))
    with pytest.raises(LineageError) as caught:
        read_bundle(BUNDLE, key[1])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def sign_changed(raw: bytes, key: tuple[str, Path], change: Callable[[Any], None]) -> bytes:
    """A line with a changed payload, signed with the right key."""
    envelope = json.loads(raw)
    payload = json.loads(base64.b64decode(envelope["payload"]))
    change(payload)
    body = json.dumps(payload).encode()
    payload_type = envelope["payloadType"].encode()
    secret = serialization.load_pem_private_key(Path(key[0]).read_bytes(), None)
    assert isinstance(secret, ed25519.Ed25519PrivateKey)
    signature = secret.sign(
        b"DSSEv1 %d %b %d %b" % (len(payload_type), payload_type, len(body), body)
    )
    envelope["payload"] = base64.b64encode(body).decode()
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    return json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def test_statements_agree_with_the_records(signed: Lines, key: tuple[str, Path]) -> None:
    bundle = read_bundle(BUNDLE, key[1])
    order = [*bundle.stages]
    assert {*order} == {"report"} | {
        f"{name}@intent" for name in ("fetch", "fetch-model", "clean", "split", "train", "evaluate")
    }
    assert order.index("split@intent") < order.index("train@intent") < order.index("report")
    train = bundle.stages["train@intent"]
    assert {*train.subjects} == {
        "models/intent/base/config.json",
        "models/intent/base/model.safetensors",
        "reports/lineage/train/intent.json",
    }
    record = io.read_details(Path("reports/lineage/train/intent.json"))
    definition = train.predicate.build_definition
    assert definition.external_parameters["params"] == record["params"]
    assert definition.internal_parameters["packages"] == record["packages"]
    dependencies = {d.name: d for d in definition.resolved_dependencies}
    assert (
        dependencies["data/split/intent"].digest["sha256"]
        == (record["inputs"]["data/split/intent"]["sha256"])
    )
    assert dependencies["data/split/intent"].annotations == {"nfiles": 4}
    assert dependencies["git"].digest["gitCommit"] == git("rev-parse", "HEAD").strip()
    (source,) = (
        each
        for each in bundle.stages["fetch@intent"].predicate.build_definition.resolved_dependencies
        if each.uri
    )
    assert source.uri and source.uri.startswith("pkg:pypi/home-assistant-intents@")


def test_the_statement_of_the_revision_names_files_and_records(
    signed: Lines, key: tuple[str, Path]
) -> None:
    revision = read_bundle(BUNDLE, key[1]).revision
    assert len(revision.records) == 7
    assert {*revision.subjects} - {*revision.records} == {
        "dvc.lock",
        "dvc.yaml",
        "params.yaml",
        "requirements.lock",
        "reports/summary.json",
    }


def test_the_same_revision_and_key_give_the_same_bytes(
    signed: Lines, key: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(Path(), elsewhere)
    monkeypatch.chdir(elsewhere)
    BUNDLE.unlink()
    attest(key[0])
    assert BUNDLE.read_bytes().splitlines(keepends=True) == signed


def test_openssh_and_pem_give_the_same_signatures(
    signed: Lines, key: tuple[str, Path], tmp_path: Path
) -> None:
    secret = ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    openssh, _ = write_key_pair(tmp_path, "ssh", secret, OPENSSH)
    attest(openssh, "again.jsonl")
    assert Path("again.jsonl").read_bytes() == b"".join(signed)
    pem = tmp_path / "key.pem"
    pem.write_bytes(
        secret.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    assert read_bundle(BUNDLE, pem) == read_bundle(BUNDLE, key[1])


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")
def test_keys_of_ssh_keygen_work_unless_encrypted(published: Path, tmp_path: Path) -> None:
    plain, encrypted = tmp_path / "id_ed25519", tmp_path / "encrypted"
    for path, passphrase in ((plain, ""), (encrypted, "a word")):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)]
        subprocess.run(command, check=True)
    attest(str(plain))
    assert len(read_bundle(BUNDLE, plain.with_suffix(".pub")).stages) == 7
    with pytest.raises(LineageError, match="is encrypted"):
        attest(str(encrypted))


def test_any_changed_byte_is_detected(signed: Lines, key: tuple[str, Path]) -> None:
    content = b"".join(signed)
    for index in range(0, len(content), len(content) // 97):
        for flip in (1, 0x20):
            changed = bytes([*content[:index], content[index] ^ flip, *content[index + 1 :]])
            assert "attestation.jsonl" in rejection(key, [changed])


def test_the_line_that_does_not_verify_is_named(signed: Lines, key: tuple[str, Path]) -> None:
    envelope = json.loads(signed[2])
    body = base64.b64decode(envelope["payload"]).replace(b'"seed": 13', b'"seed": 14')
    envelope["payload"] = base64.b64encode(body).decode()
    changed = json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    stage = [*read_bundle(BUNDLE, key[1]).stages][2]
    message = rejection(key, [*signed[:2], changed, *signed[3:]])
    assert f"line 3 ({stage}), has an invalid signature" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda lines: lines[:-1],
            "the last statement, and only the last, must be about the revision",
        ),
        (
            lambda lines: [*lines, lines[-1]],
            "the last statement, and only the last, must be about the revision",
        ),
        (lambda lines: [*lines[:2], *lines[1:]], "has 2 statements"),
        (lambda lines: [*lines[:2], *lines[3:]], "is missing"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "not in the order"),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], "is cut off"),
        (lambda lines: [*lines[:-1], lines[-1][:900] + b"\n"], "line 8, is not a DSSE envelope"),
        (lambda lines: [*lines, b"\n"], "line 9, is not a DSSE envelope"),
        (lambda lines: [], "is cut off"),
        (lambda lines: [b" " + lines[0], *lines[1:]], "is not in canonical form"),
        (
            lambda lines: [lines[0].replace(b"vnd.in-toto+json", b"json"), *lines[1:]],
            "is not an in-toto statement but 'application/json'",
        ),
    ],
)
def test_an_incomplete_bundle_is_rejected(
    signed: Lines, key: tuple[str, Path], change: Callable[[Lines], Lines], message: str
) -> None:
    assert message in rejection(key, change(signed))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(more=1), "more Extra inputs"),
        (lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"), "_type"),
        (lambda s: s["predicate"]["runDetails"]["builder"].update(id="x"), "builder.id"),
        (lambda s: s["subject"].append(s["subject"][0]), "named twice"),
        (lambda s: s["subject"].clear(), "one record"),
    ],
)
def test_a_malformed_signed_statement_is_rejected(
    signed: Lines, key: tuple[str, Path], change: Callable[[Any], None], message: str
) -> None:
    assert message in rejection(key, [sign_changed(signed[0], key, change), *signed[1:]])


def test_a_statement_of_another_revision_is_rejected(signed: Lines, key: tuple[str, Path]) -> None:
    git("commit", "--quiet", "--allow-empty", "--message", "Next")
    attest(key[0])
    next_lines = BUNDLE.read_bytes().splitlines(keepends=True)
    assert "belongs to another revision" in rejection(
        key, [next_lines[0], signed[1], *next_lines[2:]]
    )


def test_a_statement_that_was_added_is_rejected(signed: Lines, key: tuple[str, Path]) -> None:
    def rename(statement: Any) -> None:
        statement["predicate"]["buildDefinition"]["externalParameters"]["stage"] = "train@more"

    added = sign_changed(signed[1], key, rename)
    assert "train@more is not part of this revision" in rejection(
        key, [*signed[:-1], added, signed[-1]]
    )


def test_another_key_is_rejected(signed: Lines, key: tuple[str, Path], tmp_path: Path) -> None:
    other_key = write_key_pair(tmp_path, "other", ed25519.Ed25519PrivateKey.generate())
    assert "must be signed with the given key, and with no other" in rejection(other_key, signed)


def test_unusable_keys_are_reported_in_one_line(published: Path, tmp_path: Path) -> None:
    secret = ed25519.Ed25519PrivateKey.generate()
    encryption = serialization.BestAvailableEncryption(b"word")
    curve = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "empty").write_bytes(b"")
    for path, message in (
        (write_key_pair(tmp_path, "a", secret, PKCS8, encryption)[0], "is encrypted"),
        (write_key_pair(tmp_path, "c", curve)[0], "is not an Ed25519 key"),
        (str(write_key_pair(tmp_path, "d", secret)[1]), "is not a private key"),
        (str(tmp_path / "empty"), "is not a private key"),
        (str(tmp_path / "none"), "cannot read the key"),
    ):
        with pytest.raises(LineageError, match=re.escape(message)):
            attest(path)
    for public, message in (
        (tmp_path / "c.pub", "is not an Ed25519 key"),
        (tmp_path / "d", "is not a public key"),
        (tmp_path / "none", "cannot read the key"),
    ):
        with pytest.raises(LineageError, match=message):
            read_bundle(BUNDLE, public)
    assert not BUNDLE.exists()


@pytest.mark.parametrize(
    "path", ["params.yaml", "reports/lineage/train/more.json", "src/tandem/tasks/intent.py"]
)
def test_uncommitted_files_are_not_attested(
    published: Path, key: tuple[str, Path], path: str
) -> None:
    if path.endswith("more.json"):
        shutil.move(published / "reports/lineage/train/intent.json", published / path)
    else:
        with Path(path).open("a") as file:
            file.write("\n# later\n")
    with pytest.raises(LineageError, match="has uncommitted changes"):
        attest(key[0])


def test_a_lock_that_was_never_committed_is_not_attested(
    published: Path, key: tuple[str, Path]
) -> None:
    git("rm", "--quiet", "--cached", "dvc.lock")
    git("commit", "--quiet", "--message", "Without the lock")
    with pytest.raises(LineageError, match=r"dvc\.lock has uncommitted changes"):
        attest(key[0])


def test_untracked_files_that_no_record_names_do_not_matter(
    published: Path, key: tuple[str, Path]
) -> None:
    Path("notes.txt").write_text("mine")
    attest(key[0])
    attest(key[0])


def test_without_a_commit_nothing_is_attested(published: Path, key: tuple[str, Path]) -> None:
    shutil.rmtree(".git")
    with pytest.raises(LineageError, match="there is no commit"):
        attest(key[0])
