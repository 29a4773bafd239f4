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


def pair(
    folder: Path, name: str, secret: Any, form: Any = PKCS8, lock: Any = PLAIN
) -> tuple[str, Path]:
    """A private key in a file, and the public one as OpenSSH writes it."""
    private, public = folder / name, folder / f"{name}.pub"
    private.write_bytes(secret.private_bytes(PEM, form, lock))
    openssh = secret.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    public.write_bytes(openssh + b" someone@somewhere\n")
    return str(private), public


@pytest.fixture
def key(tmp_path: Path) -> tuple[str, Path]:
    return pair(tmp_path, "key", ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32))


@pytest.fixture
def signed(published: Path, key: tuple[str, Path]) -> Lines:
    attest(key[0])
    return BUNDLE.read_bytes().splitlines(keepends=True)


def refused(key: tuple[str, Path], lines: Lines) -> str:
    """The one line that says why a bundle of these lines is refused."""
    BUNDLE.write_bytes(b"".join(lines))
    with pytest.raises(LineageError) as caught:
        read_bundle(BUNDLE, key[1])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def resealed(raw: bytes, key: tuple[str, Path], change: Callable[[Any], None]) -> bytes:
    """A line with another payload, signed with the right key."""
    envelope = json.loads(raw)
    payload = json.loads(base64.b64decode(envelope["payload"]))
    change(payload)
    body = json.dumps(payload).encode()
    kind = envelope["payloadType"].encode()
    secret = serialization.load_pem_private_key(Path(key[0]).read_bytes(), None)
    assert isinstance(secret, ed25519.Ed25519PrivateKey)
    signature = secret.sign(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body))
    envelope["payload"] = base64.b64encode(body).decode()
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    return json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def test_statements_say_what_the_records_say(signed: Lines, key: tuple[str, Path]) -> None:
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
    built = train.predicate.build_definition
    assert built.external_parameters["params"] == record["params"]
    assert built.internal_parameters["packages"] == record["packages"]
    needed = {each.name: each for each in built.resolved_dependencies}
    assert (
        needed["data/split/intent"].digest["sha256"]
        == (record["inputs"]["data/split/intent"]["sha256"])
    )
    assert needed["data/split/intent"].annotations == {"nfiles": 4}
    assert needed["git"].digest["gitCommit"] == git("rev-parse", "HEAD").strip()
    (source,) = (
        each
        for each in bundle.stages["fetch@intent"].predicate.build_definition.resolved_dependencies
        if each.uri
    )
    assert source.uri and source.uri.startswith("pkg:pypi/home-assistant-intents@")


def test_the_revision_names_its_files_and_every_record(
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


def test_openssh_and_pem_are_one_key(signed: Lines, key: tuple[str, Path], tmp_path: Path) -> None:
    secret = ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    openssh, _ = pair(tmp_path, "ssh", secret, OPENSSH)
    attest(openssh, "again.jsonl")
    assert Path("again.jsonl").read_bytes() == b"".join(signed)
    pem = tmp_path / "key.pem"
    pem.write_bytes(
        secret.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    assert read_bundle(BUNDLE, pem) == read_bundle(BUNDLE, key[1])


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")
def test_keys_of_ssh_keygen_work_unless_encrypted(published: Path, tmp_path: Path) -> None:
    made, locked = tmp_path / "id_ed25519", tmp_path / "locked"
    for path, word in ((made, ""), (locked, "a word")):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", word, "-f", str(path)]
        subprocess.run(command, check=True)
    attest(str(made))
    assert len(read_bundle(BUNDLE, made.with_suffix(".pub")).stages) == 7
    with pytest.raises(LineageError, match="is encrypted"):
        attest(str(locked))


def test_any_changed_byte_is_found(signed: Lines, key: tuple[str, Path]) -> None:
    whole = b"".join(signed)
    for at in range(0, len(whole), len(whole) // 97):
        for flip in (1, 0x20):
            spoilt = bytes([*whole[:at], whole[at] ^ flip, *whole[at + 1 :]])
            assert "attestation.jsonl" in refused(key, [spoilt])


def test_a_line_that_does_not_verify_is_named(signed: Lines, key: tuple[str, Path]) -> None:
    envelope = json.loads(signed[2])
    body = base64.b64decode(envelope["payload"]).replace(b'"seed": 13', b'"seed": 14')
    envelope["payload"] = base64.b64encode(body).decode()
    spoilt = json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    stage = [*read_bundle(BUNDLE, key[1]).stages][2]
    said = refused(key, [*signed[:2], spoilt, *signed[3:]])
    assert f"line 3 ({stage}), does not verify" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[:-1], "the one statement of the revision must stand last"),
        (lambda lines: [*lines, lines[-1]], "the one statement of the revision must stand last"),
        (lambda lines: [*lines[:2], *lines[1:]], "has 2 statements"),
        (lambda lines: [*lines[:2], *lines[3:]], "is missing"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "not in the order"),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], "is cut off"),
        (lambda lines: [*lines[:-1], lines[-1][:900] + b"\n"], "line 8, is not an envelope"),
        (lambda lines: [*lines, b"\n"], "line 9, is not an envelope"),
        (lambda lines: [], "is cut off"),
        (lambda lines: [b" " + lines[0], *lines[1:]], "not written as it was signed"),
        (
            lambda lines: [lines[0].replace(b"vnd.in-toto+json", b"json"), *lines[1:]],
            "holds no in-toto statement but 'application/json'",
        ),
    ],
)
def test_a_bundle_is_whole_or_refused(
    signed: Lines, key: tuple[str, Path], change: Callable[[Lines], Lines], said: str
) -> None:
    assert said in refused(key, change(signed))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.update(more=1), "more Extra inputs"),
        (lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"), "_type"),
        (lambda s: s["predicate"]["runDetails"]["builder"].update(id="x"), "builder.id"),
        (lambda s: s["subject"].append(s["subject"][0]), "named twice"),
        (lambda s: s["subject"].clear(), "its one record"),
    ],
)
def test_a_signed_statement_of_another_form_is_refused(
    signed: Lines, key: tuple[str, Path], change: Callable[[Any], None], said: str
) -> None:
    assert said in refused(key, [resealed(signed[0], key, change), *signed[1:]])


def test_a_statement_of_another_revision_is_refused(signed: Lines, key: tuple[str, Path]) -> None:
    git("commit", "--quiet", "--allow-empty", "--message", "Next")
    attest(key[0])
    now = BUNDLE.read_bytes().splitlines(keepends=True)
    assert "is of another revision" in refused(key, [now[0], signed[1], *now[2:]])


def test_a_statement_that_was_added_is_refused(signed: Lines, key: tuple[str, Path]) -> None:
    def rename(statement: Any) -> None:
        statement["predicate"]["buildDefinition"]["externalParameters"]["stage"] = "train@more"

    added = resealed(signed[1], key, rename)
    assert "train@more is not of this revision" in refused(key, [*signed[:-1], added, signed[-1]])


def test_another_key_is_refused(signed: Lines, key: tuple[str, Path], tmp_path: Path) -> None:
    other = pair(tmp_path, "other", ed25519.Ed25519PrivateKey.generate())
    assert "not signed with the given key" in refused(other, signed)


def test_keys_that_cannot_be_used_end_in_one_line(published: Path, tmp_path: Path) -> None:
    secret = ed25519.Ed25519PrivateKey.generate()
    lock = serialization.BestAvailableEncryption(b"word")
    curve = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "empty").write_bytes(b"")
    for path, said in (
        (pair(tmp_path, "a", secret, PKCS8, lock)[0], "is encrypted"),
        (pair(tmp_path, "c", curve)[0], "is not an Ed25519 key"),
        (str(pair(tmp_path, "d", secret)[1]), "is no private key"),
        (str(tmp_path / "empty"), "is no private key"),
        (str(tmp_path / "none"), "cannot read the key"),
    ):
        with pytest.raises(LineageError, match=re.escape(said)):
            attest(path)
    for public, said in (
        (tmp_path / "c.pub", "is not an Ed25519 key"),
        (tmp_path / "d", "is no public key"),
        (tmp_path / "none", "cannot read the key"),
    ):
        with pytest.raises(LineageError, match=said):
            read_bundle(BUNDLE, public)
    assert not BUNDLE.exists()


@pytest.mark.parametrize(
    "path", ["params.yaml", "reports/lineage/train/more.json", "src/tandem/tasks/intent.py"]
)
def test_only_what_is_committed_is_attested(
    published: Path, key: tuple[str, Path], path: str
) -> None:
    if path.endswith("more.json"):
        shutil.move(published / "reports/lineage/train/intent.json", published / path)
    else:
        with Path(path).open("a") as file:
            file.write("\n# later\n")
    with pytest.raises(LineageError, match="is not as the commit has it"):
        attest(key[0])


def test_a_lock_that_was_never_committed_is_not_attested(
    published: Path, key: tuple[str, Path]
) -> None:
    git("rm", "--quiet", "--cached", "dvc.lock")
    git("commit", "--quiet", "--message", "Without the lock")
    with pytest.raises(LineageError, match=r"dvc\.lock is not as the commit has it"):
        attest(key[0])


def test_what_no_record_speaks_of_does_not_matter(published: Path, key: tuple[str, Path]) -> None:
    Path("notes.txt").write_text("mine")
    attest(key[0])
    attest(key[0])


def test_without_a_commit_nothing_is_attested(published: Path, key: tuple[str, Path]) -> None:
    shutil.rmtree(".git")
    with pytest.raises(LineageError, match="there is no commit"):
        attest(key[0])
