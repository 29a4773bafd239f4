"""Load Ed25519 keys in the formats of OpenSSL (PEM) and OpenSSH."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.signer import CryptoSigner as Signer  # type: ignore[attr-defined]
from securesystemslib.signer import SSlibKey as Key  # type: ignore[attr-defined]

from tandem.core.errors import LineageError

__all__ = ["Key", "Signer", "public", "signer"]


def signer(path: Path) -> Signer:
    """The private key in a file, in PKCS#8 (PEM) or OpenSSH format.

    Raises:
        LineageError: the key cannot be read, is encrypted, or is not an Ed25519 key.
    """
    content = _read(path)
    openssh = b"BEGIN OPENSSH PRIVATE KEY" in content
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        key = load(content, password=None)
    except TypeError:
        raise LineageError(
            f"{path} is encrypted: use a key without a passphrase (`ssh-keygen -p` removes it)"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise LineageError(f"{path} is not a private key: use a PEM or OpenSSH file") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise LineageError(f"{path} is not an Ed25519 key: `ssh-keygen -t ed25519` creates one")
    return Signer(key)


def public(path: Path) -> Key:
    """The public key in a file, in PEM format or as an OpenSSH line `ssh-ed25519 AAAA…`.

    Raises:
        LineageError: the key cannot be read, or is not an Ed25519 key.
    """
    content = _read(path).strip()
    openssh = content.startswith((b"ssh-", b"ecdsa-", b"sk-"))
    load = serialization.load_ssh_public_key if openssh else serialization.load_pem_public_key
    try:
        key = load(content)
    except (ValueError, UnsupportedAlgorithm):
        raise LineageError(
            f"{path} is not a public key: use a PEM file or a file with a line `ssh-ed25519 AAAA…`"
        ) from None
    if not isinstance(key, Ed25519PublicKey):
        raise LineageError(f"{path} is not an Ed25519 key")
    return Key.from_crypto(key)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LineageError(f"cannot read the key {path}: {error.strerror}") from None
