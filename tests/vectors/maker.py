"""What the generators of the DKIM and ARC vectors share: keys, signing, and writing YAML.

Signatures are deterministic (RSASSA-PKCS1-v1_5, Ed25519), so the files come out the same every time.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dkim
import yaml
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

import reference

ROOT = Path(__file__).resolve().parents[2]
KEYS = ROOT / "fixtures" / "keys"
NOW = 1700000000  # of every check
SIGNED_AT = NOW - 1000

Tag = tuple[str, str]
Tags = list[Tag]
Change = Callable[[Tags], Tags]

# RFC 8463 A.1
RFC_8463_RSA = """\
-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi
Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM
KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm
6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe
zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy
6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc
uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy
WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd
WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a
licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst
o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe
uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL
-----END RSA PRIVATE KEY-----
"""
RFC_8463_ED25519 = """\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
"""


# Keys


@dataclass(frozen=True)
class Key:
    private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

    @property
    def algorithm(self) -> str:
        is_rsa = isinstance(self.private, rsa.RSAPrivateKey)
        return "rsa-sha256" if is_rsa else "ed25519-sha256"

    def sign(self, octets: bytes) -> str:
        if isinstance(self.private, rsa.RSAPrivateKey):
            made = self.private.sign(octets, padding.PKCS1v15(), hashes.SHA256())
        else:
            made = self.private.sign(hashlib.sha256(octets).digest())
        return base64.b64encode(made).decode()

    def data(self, bare: bool = False) -> str:
        """p= of the key record; `bare`: an RSAPublicKey instead of a SubjectPublicKeyInfo."""
        public = self.private.public_key()
        if isinstance(public, ed25519.Ed25519PublicKey):
            encoded = public.public_bytes(
                serialization.Encoding.Raw, serialization.PublicFormat.Raw
            )
        else:
            form = (
                serialization.PublicFormat.PKCS1
                if bare
                else serialization.PublicFormat.SubjectPublicKeyInfo
            )
            encoded = public.public_bytes(serialization.Encoding.DER, form)
        return base64.b64encode(encoded).decode()


def load_key(pem: str) -> Key:
    private = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(private, (rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey))
    return Key(private)


RSA_1024 = load_key(RFC_8463_RSA)
ED25519 = load_key(RFC_8463_ED25519)
RSA_2048 = load_key((KEYS / "test-sender-rsa2048.pem").read_text())
RSA_4096 = load_key((KEYS / "test-vectors-rsa4096.pem").read_text())
RSA_768 = load_key((KEYS / "test-vectors-rsa768.pem").read_text())


def key_zone(domain: str) -> dict[str, Any]:
    """Key records, one selector for every way in which a record can be right or wrong."""
    rsa_data, eddsa_data = RSA_1024.data(), ED25519.data()
    half = len(rsa_data) // 2
    records: dict[str, Any] = {
        "rsa": f"v=DKIM1; k=rsa; p={rsa_data}",
        "ed": f"v=DKIM1; k=ed25519; p={eddsa_data}",
        "sub.rsa": f"v=DKIM1; p={rsa_data}",
        "big": f"v=DKIM1; p={RSA_4096.data()}",
        "mid": f"v=DKIM1; p={RSA_2048.data()}",
        "short": f"v=DKIM1; p={RSA_768.data()}",
        "plain": f"p={rsa_data}",
        "bare": f"v=DKIM1; k=rsa; p={RSA_1024.data(bare=True)}",
        "strings": [[f"v=DKIM1; k=rsa; p={rsa_data[:half]}", rsa_data[half:]]],
        "spaced": f" v = DKIM1 ; k = rsa ; p = {rsa_data[:half]} {rsa_data[half:]} ; ",
        "several": ["v=spf1 -all", f"v=DKIM1; p={rsa_data}"],
        "extra": f"v=DKIM1; n=a note; g=*; x=unknown; p={rsa_data}",
        "upper": f"v=DKIM1; k=RSA; h=SHA256; p={rsa_data}",
        "sha256": f"v=DKIM1; h=sha1 : sha256 ; p={rsa_data}",
        "sha1": f"v=DKIM1; h=sha1; p={rsa_data}",
        "nohash": f"v=DKIM1; h=; p={rsa_data}",
        "email": f"v=DKIM1; s=tlsrpt:email; p={rsa_data}",
        "star": f"v=DKIM1; s=*; p={rsa_data}",
        "tlsrpt": f"v=DKIM1; s=tlsrpt; p={rsa_data}",
        "strict": f"v=DKIM1; t=s; p={rsa_data}",
        "testing": f"v=DKIM1; t=s:y; p={rsa_data}",
        "flags": f"v=DKIM1; t=unknown; p={rsa_data}",
        "revoked": "v=DKIM1; p=",
        "nop": "v=DKIM1; k=rsa",
        "badp": "v=DKIM1; p=%%%",
        "notakey": "v=DKIM1; p=bm90IGEga2V5",
        "version": f"v=DKIM2; p={rsa_data}",
        "lowercase": f"v=dkim1; p={rsa_data}",
        "late": f"k=rsa; v=DKIM1; p={rsa_data}",
        "twice": f"v=DKIM1; k=rsa; k=rsa; p={rsa_data}",
        "syntax": f"v=DKIM1; nonsense; p={rsa_data}",
        "othertype": f"v=DKIM1; k=dsa; p={rsa_data}",
        "swapped": f"v=DKIM1; k=ed25519; p={rsa_data}",
        "wrongkey": f"v=DKIM1; k=rsa; p={RSA_2048.data()}",
        "edshort": "v=DKIM1; k=ed25519; p=AAAA",
        "spf": "v=spf1 -all",
    }
    zone: dict[str, Any] = {
        f"{selector}._domainkey.{domain}": {"TXT": text}
        for selector, text in records.items()
    }
    zone[f"alias._domainkey.{domain}"] = {"CNAME": f"rsa._domainkey.{domain}"}
    zone[f"nodata._domainkey.{domain}"] = {"A": "192.0.2.1"}
    zone[f"failing._domainkey.{domain}"] = "SERVFAIL"
    zone[f"refused._domainkey.{domain}"] = "REFUSED"
    return zone


# Changes to a list of tags before it is signed


def without(*names: str) -> Change:
    return lambda tags: [tag for tag in tags if tag[0] not in names]


def put(name: str, value: str) -> Change:
    """Replaces the tag's value, or adds the tag in front of b=."""

    def change(tags: Tags) -> Tags:
        if any(tag[0] == name for tag in tags):
            return [(n, value if n == name else v) for n, v in tags]
        return tags[:-1] + [(name, value), tags[-1]]

    return change


def add(name: str, value: str) -> Change:
    """Adds a tag in front of b=, even if it is there already."""
    return lambda tags: tags[:-1] + [(name, value), tags[-1]]


def rename(old: str, new: str) -> Change:
    return lambda tags: [(new if n == old else n, v) for n, v in tags]


def ordered(*names: str) -> Change:
    return lambda tags: sorted(tags, key=lambda tag: names.index(tag[0]))


# Messages


@dataclass(frozen=True)
class Mail:
    fields: tuple[bytes, ...]
    body: bytes
    sets: tuple[tuple[bytes, bytes, bytes], ...] = field(default=())  # AAR, AMS, AS

    @property
    def octets(self) -> bytes:
        return b"".join(self.fields) + b"\r\n" + self.body

    def on_top(self, *fields: bytes) -> Mail:
        return replace(self, fields=fields + self.fields)

    def edited(self, old: str, new: str, count: int = 1) -> Mail:
        """Replaces text in the finished message; the text has to be there."""
        octets = self.octets
        assert crlf(old) in octets, old
        fields, body = reference.divide(octets.replace(crlf(old), crlf(new), count))
        return replace(self, fields=tuple(fields), body=body)


def crlf(text: str) -> bytes:
    return text.encode().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def mail(header: str, body: str) -> Mail:
    fields, _ = reference.divide(crlf(header) + b"\r\n")
    return Mail(tuple(fields), crlf(body))


def fold_signature(text: str, width: int = 72) -> str:
    return "".join("\r\n\t" + text[i : i + width] for i in range(0, len(text), width))


def render(name: str, tags: Sequence[Tag], separator: str = "; ") -> bytes:
    """The field, folded before a tag where a line would become long."""
    text = f"{name}: "
    column = len(text)
    for i, (tag, value) in enumerate(tags):
        part = f"{tag}={value}" if tag else value
        if i > 0:
            first = part.split("\r\n")[0]
            fold = separator == "; " and column + 2 + len(first) > 76
            text += ";\r\n\t" if fold else separator
            column = 8 if fold else column + 2
        text += part
        column = (
            column + len(part) if "\r\n" not in part else len(part.split("\r\n")[-1])
        )
    return text.encode() + b"\r\n"


def sign_field(
    name: str,
    tags: Tags,
    key: Key,
    canon: str,
    fields: Sequence[bytes],
    separator: str = "; ",
) -> bytes:
    """The field with b= filled in, wherever it stands among the tags."""
    unsigned = render(name, tags, separator)
    made = key.sign(reference.signed_octets(canon, list(fields), unsigned))
    return render(
        name, [(n, fold_signature(made) if n == "b" else v) for n, v in tags], separator
    )


def body_hash(tags: Mapping[str, str], body: bytes) -> str:
    kind = tags.get("c", "simple/simple").lower().partition("/")[2] or "simple"
    text = reference.canonical_body(kind, body)
    if tags.get("l", "").isdigit():
        text = text[: int(tags["l"])]
    return base64.b64encode(hashlib.sha256(text).digest()).decode()


def sign_message(
    name: str,
    message: Mail,
    tags: Tags,
    key: Key,
    change: Change | None,
    separator: str = "; ",
    without_c: str = "simple/simple",
) -> bytes:
    """A DKIM-Signature or an AMS. The changes decide what is signed, canonicalisation included
    (`without_c` where they leave none); a bh= that they leave empty is computed."""
    tags = change(tags) if change else tags
    known = {"c": without_c} | {n.strip(): v.strip() for n, v in tags}
    tags = [
        (n, body_hash(known, message.body) if n == "bh" and v == "" else v)
        for n, v in tags
    ]
    names = [part.strip().lower() for part in known.get("h", "").split(":")]
    chosen = reference.choose(list(message.fields), names, None)
    canon = known["c"].lower().partition("/")[0]
    canon = canon if canon in ("simple", "relaxed") else "relaxed"
    return sign_field(name, tags, key, canon, chosen, separator)


# YAML


def _block(text: str, indent: str) -> str | None:
    """A literal block, if YAML reads it back as the same text."""
    chomp = "" if text.endswith("\n") and not text.endswith("\n\n") else "+"
    if not text.endswith("\n"):
        chomp = "-"
    block = f"|2{chomp}\n" + "".join(
        (indent + line if line.strip("\n") else line)
        for line in text.splitlines(keepends=True)
    )
    if not block.endswith("\n"):
        block += "\n"
    try:
        read = yaml.safe_load("a:\n  b: " + block.replace(indent, "    "))
    except yaml.YAMLError:
        return None
    return block if read == {"a": {"b": text}} else None


def scalar(value: Any, indent: str) -> str:
    """The value in YAML; `indent` is that of the lines of a literal block."""
    if isinstance(value, str) and "\n" in value:
        block = _block(value, indent)
        if block:
            return block
    if isinstance(value, str) and not value.isascii():
        return json.dumps(value, ensure_ascii=True) + "\n"
    return json.dumps(value) + "\n"


def message_text(octets: bytes) -> str:
    """A message as the vectors hold it: octets as characters, CRLF as LF."""
    text = octets.decode("latin-1")
    assert "\n" not in text.replace("\r\n", "")
    return text.replace("\r\n", "\n")


def write_scenario(
    description: str,
    rfc: int,
    zone: Mapping[str, Any],
    tests: Mapping[str, Mapping[str, Any]],
    extra: Mapping[str, Any] | None = None,
) -> str:
    text = f"description: {json.dumps(description)}\nrfc: {rfc}\n"
    for name, value in (extra or {}).items():
        text += f"{name}: {scalar(value, '  ')}"
    text += "zone:\n"
    for name, types in zone.items():
        text += f"  {json.dumps(name)}: {json.dumps(types)}\n"
    text += "tests:\n"
    for name, test in tests.items():
        text += f"  {name}:\n"
        for key, value in test.items():
            text += f"    {key}: {scalar(value, '      ')}"
    read = yaml.safe_load(text)
    assert read["tests"] == {
        n: dict(t) for n, t in tests.items()
    }, "YAML changes a test"
    assert read["zone"] == zone, "YAML changes the zone"
    return text


def needed_zone(
    zone: Mapping[str, Any], tests: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The records that the tests' messages can ask for: those of the selectors they name, and what
    these are aliases of."""
    text = "".join(str(test["message"]) for test in tests.values())

    def needed(name: str) -> bool:
        selector = name.split("._domainkey.")[0]
        aliased = selector == "rsa" and "s=alias" in text
        return f"s={selector}" in text or aliased or selector.startswith("xn--")

    return {name: types for name, types in zone.items() if needed(name)}


def output_directory(folder: str) -> Path:
    """Where the files go: fixtures/vectors/<folder>, or the directory on the command line."""
    default = ROOT / "fixtures" / "vectors" / folder
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    directory.mkdir(parents=True, exist_ok=True)
    return directory


# dkimpy, the other opinion


def freeze_dkimpy() -> None:
    """Makes dkimpy judge at NOW, and in silence."""
    logging.disable(logging.CRITICAL)
    dkim.time.time = lambda: NOW


def dkimpy_says(judge: Callable[..., str], zone: Mapping[str, Any]) -> str:
    """What `judge`, given a `dnsfunc`, makes of a message."""

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        records = reference.texts(zone, name.decode().rstrip("."))
        return records[0].encode() if records else b""

    try:
        return judge(dnsfunc=look_up)
    except (dkim.DKIMException, reference.Outcome):
        return "fail"
    except (Exception, AssertionError) as error:
        return f"error ({type(error).__name__})"
