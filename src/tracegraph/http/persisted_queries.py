"""Documents by their SHA-256: those of a trusted file or folder, and those that clients register as they go.

A client names a document by `documentId`, or by `extensions.persistedQuery.sha256Hash` as Apollo's clients do.
They send the hash first, and the text with it when the answer is PERSISTED_QUERY_NOT_FOUND.
Either may have "sha256:" before the hash, as GraphQL over HTTP has it and graphql-codegen writes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

from tracegraph.config.documents import DocumentsTable
from tracegraph.domain.clocks import elapsed_s
from tracegraph.errors import ConfigurationError
from tracegraph.http.errors import HTTPRequestError
from tracegraph.upstream.cache.memory import CacheEntry, MemoryStore

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")


_APOLLO = "apollo-persisted-query-manifest"


_OTHER_HASHES = {32: "MD5", 40: "SHA-1"}
"""What Relay's compiler and graphql-codegen write unless their configuration asks for SHA-256, by its length."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The document that a request asks to run: its text, its hash, or both."""

    text: str | None
    sha256: str | None = None
    is_automatic: bool = False
    """Whether the hash came as Apollo's clients send it: its text may follow, and is then to be kept."""


def asked_document(parameters: Mapping[str, Any]) -> Asked:
    """Which document the members of a request name. Raises Refusal."""
    text, document_id = parameters.get("query"), parameters.get("documentId")
    if text is not None and not isinstance(text, str):
        raise _wrong("The request must hold a query, and it must be a text.")
    automatic = (parameters.get("extensions") or {}).get("persistedQuery")
    if automatic is None and document_id is None:
        return Asked(text)
    named = None if document_id is None else _digest(document_id, "documentId")
    if automatic is None:
        return Asked(text, named)
    if not isinstance(automatic, dict) or automatic.get("version", 1) != 1:
        raise _wrong("extensions.persistedQuery must be an object of version 1.")
    digest = _digest(automatic.get("sha256Hash"), "extensions.persistedQuery.sha256Hash")
    if named not in {None, digest}:
        raise _wrong("documentId and extensions.persistedQuery name two documents: send one of them.")
    return Asked(text, digest, is_automatic=True)


def _digest(given: object, where: str) -> str:
    digest = _sha256(given)
    if digest is None:
        raise _wrong(f"{where} must be a SHA-256 in 64 hexadecimal digits.")
    return digest


def _sha256(given: object) -> str | None:
    """The digits in lower case, without "sha256:"; None for what is no SHA-256."""
    found = _SHA256.fullmatch(given) if isinstance(given, str) else None
    return None if found is None else found[1].lower()


def _wrong(message: str) -> HTTPRequestError:
    return HTTPRequestError(400, "BAD_USER_INPUT", message)


class PersistedQueryStore:
    """Finds the text of what is asked."""

    def __init__(self, trusted: Mapping[str, str], table: DocumentsTable) -> None:
        self._trusted = trusted
        self._only_trusted = table.only_trusted
        self._is_automatic = table.automatic > 0 and not table.only_trusted
        self._registered = MemoryStore(
            max_entries=table.automatic, max_bytes=table.automatic_mb * 1024 * 1024 if table.automatic else 0
        )

    def text(self, asked: Asked) -> str:
        """The document's text. Raises Refusal."""
        if asked.text is None:
            return self._known(asked)
        if asked.sha256 is None and not self._only_trusted:
            return asked.text
        digest = hash_of(asked.text)
        if asked.sha256 is not None and asked.sha256 != digest:
            raise _wrong("The query is not the document of that SHA-256.")
        if self._only_trusted and digest not in self._trusted:
            raise HTTPRequestError(
                403, "FORBIDDEN", "This gateway runs known operations only, and this is none of them."
            )
        if asked.is_automatic and self._is_automatic and digest not in self._trusted:
            body = asked.text.encode("utf-8", "surrogatepass")
            self._registered.put(bytes.fromhex(digest), CacheEntry(body, elapsed_s()))
        return asked.text

    def _known(self, asked: Asked) -> str:
        if asked.sha256 is None:
            raise _wrong("The request must hold a query, and it must be a text.")
        trusted = self._trusted.get(asked.sha256)
        if trusted is not None:
            return trusted
        if self._only_trusted:
            raise HTTPRequestError(
                403, "FORBIDDEN", "This gateway runs known operations only, and none has that SHA-256."
            )
        if not asked.is_automatic:
            raise _wrong("This gateway knows no document of that documentId.")
        if not self._is_automatic:
            # Word for word what Apollo's clients look for; they then send texts only.
            raise HTTPRequestError(200, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")
        entry = self._registered.get(bytes.fromhex(asked.sha256))
        if entry is None:
            raise HTTPRequestError(200, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
        return entry.body.decode("utf-8", "surrogatepass")


def hash_of(document: str) -> str:
    """A document's name."""
    return sha256(document.encode("utf-8", "surrogatepass")).hexdigest()


def read_documents(table: DocumentsTable, origin: str = "the configuration") -> PersistedQueryStore:
    """The configured documents. Raises ConfigurationError for what cannot be read, and for a wrong hash."""
    if table.trusted is None:
        return PersistedQueryStore({}, table)
    path = Path(table.trusted)
    try:
        trusted = _from_folder(path) if path.is_dir() else _from_manifest(path)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(f"{origin}: documents.trusted cannot be used: {path}: {said}.") from None
    return PersistedQueryStore(trusted, table)


def _from_folder(folder: Path) -> dict[str, str]:
    files = sorted(folder.glob("**/*.graphql"))
    if not files:
        raise ValueError("there is no .graphql file in it")
    try:
        return {hash_of(text): text for text in (file.read_text(encoding="utf-8-sig") for file in files)}
    except UnicodeDecodeError:
        raise ValueError("a .graphql file in it is not in UTF-8: save it as UTF-8") from None


def _from_manifest(path: Path) -> dict[str, str]:
    """Either form: `{hash: document}`, or Apollo's with a list of operations."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise ValueError("it is nested too deeply to be a manifest") from None
    except ValueError:
        raise ValueError("it is not JSON in UTF-8: name the manifest that your build writes") from None
    if not isinstance(manifest, dict):
        _refuse_manifest("it must be a JSON object")
    named = _of_apollo(manifest) if "format" in manifest else manifest.items()
    found = {_checked(key, text): text for key, text in named}
    if not found:
        raise ValueError("there is no document in it: build it anew, or leave documents.trusted out")
    return found


def _of_apollo(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each operation's id and text."""
    operations = manifest.get("operations")
    if manifest["format"] != _APOLLO or manifest.get("version", 1) != 1 or not isinstance(operations, list):
        _refuse_manifest("its format is not known")
    for index, one in enumerate(operations):
        if not (isinstance(one, dict) and isinstance(one.get("id"), str) and isinstance(one.get("body"), str)):
            raise ValueError(f"operations[{index}] must have an id and a body, both texts")  # noqa: TRY004
    return [(one["id"], one["body"]) for one in operations]


def _refuse_manifest(why: str) -> NoReturn:
    raise ValueError(
        f'{why}: it must be {{sha256: document}}, or "{_APOLLO}" of version 1 with a list of operations'
    )


def _checked(key: str, text: object) -> str:
    """The document's SHA-256, which is its key."""
    digest = _sha256(key)
    if digest is not None and isinstance(text, str) and hash_of(text) == digest:
        return digest
    other = _OTHER_HASHES.get(len(key))
    remedy = f"it looks like {other}; have your build write SHA-256" if other else "build the manifest anew"
    raise ValueError(f"{key[:80]!r} is not the SHA-256 of its document: {remedy}")
