"""What servers and users of NATS identify themselves with: JWTs and NKeys, certificates of an authority of its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nkeys

_PREFIXES = {"O": 14 << 3, "A": 0, "U": 20 << 3}


def _crc16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def _seed(kind: str) -> bytes:
    """Return the seed of a new key of a kind: O for an operator, A for an account, U for a user."""
    prefix = _PREFIXES[kind]
    raw = bytes([18 << 3 | prefix >> 5, (prefix & 31) << 3]) + os.urandom(32)
    return base64.b32encode(raw + _crc16(raw).to_bytes(2, "little")).rstrip(b"=")


class Key:
    """A key of an operator, an account or a user."""

    def __init__(self, kind: str) -> None:
        self.seed = _seed(kind)
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public = self._pair.public_key.decode()

    def sign(self, subject: str, claims: dict[str, Any], expires: int = 0) -> str:
        """Return a JWT about *subject*, as ``nsc`` makes them."""
        body = {"jti": "test", "iat": 1, "iss": self.public, "sub": subject, "name": "test", "nats": claims}
        body |= {"exp": expires} if expires else {}
        signed = ".".join(_encode(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, body))
        return f"{signed}.{_encode(self._pair.sign(signed.encode()))}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


_CREDENTIALS = """\
-----BEGIN NATS USER JWT-----
{jwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
{seed}
------END USER NKEY SEED------
"""


@dataclass(frozen=True, slots=True)
class Operator:
    """The configuration of a server that takes users of one account, and the credentials of one of them."""

    configuration: str
    credentials: str
    renewed: str
    """Credentials of the same user, for longer."""


def make_operator(expires: int = 0) -> Operator:
    """Return an operator with one account, which has JetStream, and one user, whose credentials expire then."""
    operator, system, account, user = Key("O"), Key("A"), Key("A"), Key("U")
    unlimited = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
    jetstream = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)
    of_operator = operator.sign(operator.public, {"type": "operator", "version": 2, "system_account": system.public})
    limits = {**unlimited, "wildcards": True}
    of_system = operator.sign(system.public, {"type": "account", "version": 2, "limits": limits})
    of_account = operator.sign(account.public, {"type": "account", "version": 2, "limits": {**limits, **jetstream}})
    of_user = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}

    def credentials(expires: int) -> str:
        return _CREDENTIALS.format(jwt=account.sign(user.public, of_user, expires), seed=user.seed.decode())

    return Operator(
        f"operator: {of_operator}\nresolver: MEMORY\n"
        f"resolver_preload {{ {account.public}: {of_account}\n {system.public}: {of_system} }}\n",
        credentials(expires),
        credentials(0),
    )


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority of certificates in a folder."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """What those trust who trust it."""
        return self.folder / "ca.pem"

    def certify(self, name: str) -> tuple[Path, Path]:
        """Return a new certificate for loopback's address, and its key."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        extensions = self.folder / "extensions"
        extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
        request = self.folder / "request"
        _openssl("req", "-new", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        ours = ("-CA", self.certificate, "-CAkey", self.folder / "ca.key", "-CAcreateserial", "-days", "2")
        _openssl("x509", "-req", "-in", request, *ours, "-extfile", extensions, "-out", certificate)
        return certificate, key


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_authority(folder: Path) -> Authority:
    """Return a new authority."""
    folder.mkdir()
    subject = ("-subj", "/CN=an authority")
    _openssl("req", "-x509", *_NEW_KEY, *subject, "-days", "2", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    return Authority(folder)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
