"""Persisted queries: documents by their SHA-256, from a trusted file or folder or registered by clients.

A client names a document by `documentId`. Apollo's clients use `extensions.persistedQuery.sha256Hash`: they send
the hash alone first, and send the text with the hash after the error PERSISTED_QUERY_NOT_FOUND. Either hash may
have the prefix "sha256:", as in GraphQL over HTTP and the output of graphql-codegen.
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
"""Hashes by their length. Relay's compiler and graphql-codegen use these unless configured for SHA-256."""


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """The document of a request: its text, its hash, or both."""

    text: str | None
    sha256: str | None = None
    is_automatic: bool = False
    """Whether the request has the form of Apollo's clients, which register the text of the hash."""


def parse_document_ref(parameters: Mapping[str, Any]) -> DocumentRef:
    """Return the document that the members of a request name.

    Raises:
        HTTPRequestError: The members are malformed, or name two different documents.
    """
    text, document_id = parameters.get("query"), parameters.get("documentId")
    if text is not None and not isinstance(text, str):
        raise _bad_request("The request must hold a query, as a string.")
    automatic = (parameters.get("extensions") or {}).get("persistedQuery")
    if automatic is None and document_id is None:
        return DocumentRef(text)
    named = None if document_id is None else _parse_hash(document_id, "documentId")
    if automatic is None:
        return DocumentRef(text, named)
    if not isinstance(automatic, dict) or automatic.get("version", 1) != 1:
        raise _bad_request("extensions.persistedQuery must be an object of version 1.")
    digest = _parse_hash(automatic.get("sha256Hash"), "extensions.persistedQuery.sha256Hash")
    if named not in {None, digest}:
        raise _bad_request("documentId and extensions.persistedQuery name two documents: send one of them.")
    return DocumentRef(text, digest, is_automatic=True)


def _parse_hash(value: object, member: str) -> str:
    digest = _normalized_hash(value)
    if digest is None:
        raise _bad_request(f"{member} must be a SHA-256 in 64 hexadecimal digits.")
    return digest


def _normalized_hash(value: object) -> str | None:
    """Return the digits in lower case without "sha256:", or None when the value is not a SHA-256."""
    match = _SHA256.fullmatch(value) if isinstance(value, str) else None
    return None if match is None else match[1].lower()


def _bad_request(message: str) -> HTTPRequestError:
    return HTTPRequestError(400, "BAD_USER_INPUT", message)


class PersistedQueryStore:
    """Resolves references to documents, and registers the documents of Apollo's clients."""

    def __init__(self, trusted: Mapping[str, str], table: DocumentsTable) -> None:
        self._trusted = trusted
        self._only_trusted = table.only_trusted
        self._is_automatic = table.automatic > 0 and not table.only_trusted
        self._registered = MemoryStore(
            max_entries=table.automatic, max_bytes=table.automatic_mb * 1024 * 1024 if table.automatic else 0
        )

    def resolve(self, ref: DocumentRef) -> str:
        """Return the document's text.

        Raises:
            HTTPRequestError: The document is unknown, not trusted, or does not match its hash.
        """
        if ref.text is None:
            return self._find_by_hash(ref)
        if ref.sha256 is None and not self._only_trusted:
            return ref.text
        digest = hash_document(ref.text)
        if ref.sha256 is not None and ref.sha256 != digest:
            raise _bad_request("The query does not match the SHA-256 in the request.")
        if self._only_trusted and digest not in self._trusted:
            raise HTTPRequestError(
                403, "FORBIDDEN", "The gateway runs trusted documents only, and this document is not trusted."
            )
        if ref.is_automatic and self._is_automatic and digest not in self._trusted:
            body = ref.text.encode("utf-8", "surrogatepass")
            self._registered.put(bytes.fromhex(digest), CacheEntry(body, elapsed_s()))
        return ref.text

    def _find_by_hash(self, ref: DocumentRef) -> str:
        if ref.sha256 is None:
            raise _bad_request("The request must hold a query, as a string.")
        trusted = self._trusted.get(ref.sha256)
        if trusted is not None:
            return trusted
        if self._only_trusted:
            raise HTTPRequestError(
                403, "FORBIDDEN", "The gateway runs trusted documents only, and none has this SHA-256."
            )
        if not ref.is_automatic:
            raise _bad_request("No trusted document has this documentId: send the query instead.")
        if not self._is_automatic:
            # Apollo's clients compare this exact message. They then send texts only.
            raise HTTPRequestError(200, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")
        entry = self._registered.get(bytes.fromhex(ref.sha256))
        if entry is None:
            raise HTTPRequestError(200, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
        return entry.body.decode("utf-8", "surrogatepass")


def hash_document(document: str) -> str:
    """Return the SHA-256 by which clients name a document."""
    return sha256(document.encode("utf-8", "surrogatepass")).hexdigest()


def read_documents(
    table: DocumentsTable, origin: str = "the configuration", own: Path | None = None
) -> PersistedQueryStore:
    """Return the store with the configured documents.

    Args:
        table: The configuration.
        origin: The name of the configuration in messages, such as its file.
        own: The manifest of the gateway's own pages, whose documents are always trusted.

    Raises:
        ConfigurationError: The documents cannot be read, or a hash does not match its document.
    """
    own_documents = _from_manifest(own) if own else {}
    if table.trusted is None:
        return PersistedQueryStore(own_documents, table)
    path = Path(table.trusted)
    try:
        trusted = _from_folder(path) if path.is_dir() else _from_manifest(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(f"{origin}: documents.trusted cannot be used: {path}: {reason}.") from None
    return PersistedQueryStore({**own_documents, **trusted}, table)


def _from_folder(folder: Path) -> dict[str, str]:
    files = sorted(folder.glob("**/*.graphql"))
    if not files:
        raise ValueError("there is no .graphql file in it")
    try:
        return {hash_document(text): text for text in (file.read_text(encoding="utf-8-sig") for file in files)}
    except UnicodeDecodeError:
        raise ValueError("a .graphql file in it is not in UTF-8: save it as UTF-8") from None


def _from_manifest(path: Path) -> dict[str, str]:
    """Return the documents of a manifest: `{hash: document}`, or Apollo's list of operations."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise ValueError("it is nested too deeply to be a manifest") from None
    except ValueError:
        raise ValueError("it is not JSON in UTF-8: name the manifest that your build writes") from None
    if not isinstance(manifest, dict):
        _reject_manifest("it must be a JSON object")
    named = _apollo_operations(manifest) if "format" in manifest else manifest.items()
    documents = {_verified_hash(key, text): text for key, text in named}
    if not documents:
        raise ValueError("there is no document in it: build it again, or remove documents.trusted")
    return documents


def _apollo_operations(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each operation's ID and text."""
    operations = manifest.get("operations")
    if manifest["format"] != _APOLLO or manifest.get("version", 1) != 1 or not isinstance(operations, list):
        _reject_manifest("its format is not known")
    for index, entry in enumerate(operations):
        if not (
            isinstance(entry, dict) and isinstance(entry.get("id"), str) and isinstance(entry.get("body"), str)
        ):
            raise ValueError(f"operations[{index}] must have an id and a body, both strings")  # noqa: TRY004
    return [(item["id"], item["body"]) for item in operations]


def _reject_manifest(reason: str) -> NoReturn:
    raise ValueError(
        f'{reason}: it must be {{sha256: document}}, or "{_APOLLO}" of version 1 with a list of operations'
    )


def _verified_hash(key: str, text: object) -> str:
    """Return the SHA-256 of the document, or raise ValueError when the key is another hash."""
    digest = _normalized_hash(key)
    if digest is not None and isinstance(text, str) and hash_document(text) == digest:
        return digest
    algorithm = _OTHER_HASHES.get(len(key))
    remedy = (
        f"it looks like {algorithm}; have your build write SHA-256" if algorithm else "build the manifest anew"
    )
    raise ValueError(f"{key[:80]!r} is not the SHA-256 of its document: {remedy}")
