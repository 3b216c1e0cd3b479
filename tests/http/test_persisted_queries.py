"""Persisted queries: trusted documents, trusted documents only, and documents that clients register."""

import hashlib
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from graphql import get_introspection_query

from tests.conftest import OpenGateway
from tests.gateway import Answer, Gateway, Vendors
from tracegraph.app import create_app
from tracegraph.errors import ConfigurationError

KNOWN = "query Names { sources { name } }"
OTHER = "{ sources { vendor } }"
DATA = {"sources": [{"name": "nemo"}, {"name": "langsmith"}, {"name": "meibel"}]}


def digest(document: str) -> str:
    return sha256(document.encode()).hexdigest()


def automatic(document: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": digest(document)}}


def named(document: str) -> list[dict[str, Any]]:
    """Return all forms in which a client names a document by its hash."""
    prefixed = {"version": 1, "sha256Hash": f"sha256:{digest(document)}"}
    return [
        {"documentId": digest(document)},
        {"documentId": f"sha256:{digest(document)}"},
        {"extensions": automatic(document)},
        {"extensions": {"persistedQuery": prefixed}},
    ]


def apollo(*operations: object) -> dict[str, Any]:
    """Return a manifest in the format of Apollo's tools."""
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}


def sha1(document: str) -> str:
    return hashlib.sha1(document.encode(), usedforsecurity=False).hexdigest()


async def ask(gateway: Gateway, **members: Any) -> Answer:
    return await gateway.post(orjson.dumps(members))


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    file = tmp_path / "operations.json"
    file.write_text(json.dumps({digest(KNOWN): KNOWN}))
    return str(file)


@pytest.fixture
async def locked(open_gateway: OpenGateway, manifest: str) -> Gateway:
    return await open_gateway(documents={"trusted": manifest, "only_trusted": True})


class TestTrusted:
    async def test_a_trusted_document_runs_by_its_hash_in_every_form(self, locked: Gateway) -> None:
        for members in (
            {"documentId": digest(KNOWN)},
            {"documentId": f"sha256:{digest(KNOWN).upper()}"},
            {"extensions": automatic(KNOWN)},
            {"query": KNOWN},
            {"query": KNOWN, "extensions": automatic(KNOWN)},
            {"documentId": digest(KNOWN), "operationName": "Names", "variables": {}},
        ):
            assert (await ask(locked, **members)).data == DATA

    async def test_the_manifest_of_any_build_tool_is_read(self, open_gateway: OpenGateway, tmp_path: Path) -> None:
        """The manifests are Relay's map, graphql-codegen's map with a prefix, and Apollo's list."""
        file = tmp_path / "operations.json"
        for manifest in (
            {digest(KNOWN): KNOWN},
            {digest(KNOWN).upper(): KNOWN},
            {f"sha256:{digest(KNOWN)}": KNOWN, f"sha256:{digest(OTHER)}": OTHER},
            apollo({"id": digest(KNOWN), "name": "Names", "type": "query", "body": KNOWN}),
            apollo({"id": f"sha256:{digest(KNOWN)}", "body": KNOWN}),
        ):
            for mark in ("", "\ufeff"):
                file.write_text(mark + json.dumps(manifest), encoding="utf-8")
                gateway = await open_gateway(documents={"trusted": str(file), "only_trusted": True})
                for members in named(KNOWN):
                    assert (await ask(gateway, **members)).data == DATA

    async def test_two_names_of_two_documents_are_refused(self, gateway: Gateway) -> None:
        answer = await ask(gateway, documentId=digest(OTHER), extensions=automatic(KNOWN), query=KNOWN)
        assert (answer.status, answer.codes) == (400, ["BAD_USER_INPUT"])
        answer = await ask(gateway, documentId=digest(KNOWN), extensions=automatic(KNOWN), query=KNOWN)
        assert answer.data == DATA

    async def test_by_get_too(self, locked: Gateway) -> None:
        accept = {"accept": "application/graphql-response+json"}
        for parameters in ({"documentId": digest(KNOWN)}, {"extensions": json.dumps(automatic(KNOWN))}):
            response = await locked.http.get("/graphql", params=parameters, headers=accept)
            assert response.json() == {"data": DATA}

    @pytest.mark.parametrize(
        "members",
        [
            {"query": OTHER},
            {"query": KNOWN + " "},
            {"query": "{ __typename }"},
            {"query": get_introspection_query()},
            {"query": "{ not even GraphQL"},
            {"documentId": digest(OTHER)},
            {"extensions": automatic(OTHER)},
            {"query": OTHER, "extensions": automatic(OTHER)},
        ],
    )
    async def test_with_only_trusted_any_other_document_is_forbidden_and_not_registered(
        self, locked: Gateway, vendors: Vendors, members: dict[str, Any]
    ) -> None:
        for _ in range(2):
            answer = await ask(locked, **members)
            assert (answer.status, answer.codes) == (403, ["FORBIDDEN"])
        assert vendors.call_counts == (0, 0, 0)

    async def test_a_text_with_the_hash_of_another_document_is_refused(self, locked: Gateway) -> None:
        answer = await ask(locked, query=OTHER, documentId=digest(KNOWN))
        assert (answer.status, answer.codes) == (400, ["BAD_USER_INPUT"])
        answer = await ask(locked, query=OTHER, extensions=automatic(KNOWN))
        assert (answer.status, answer.codes) == (400, ["BAD_USER_INPUT"])

    async def test_a_folder_of_documents_is_accepted(self, open_gateway: OpenGateway, tmp_path: Path) -> None:
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "names.graphql").write_text(KNOWN)
        gateway = await open_gateway(documents={"trusted": str(tmp_path)})
        assert (await ask(gateway, documentId=digest(KNOWN))).data == DATA
        assert (await ask(gateway, query=OTHER)).status == 200

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "operations.json"),
            ("[]", "must be a JSON object"),
            ("[" * 100_000, "nested too deeply"),
            ("query Names { sources { name } }", "not JSON in UTF-8"),
            ("{}", "no document in it"),
            (json.dumps({"md5": {}, sha1("x"): "x"}), "'md5' is not the SHA-256"),
            (json.dumps({sha1(KNOWN): KNOWN}), "it looks like SHA-1; have your build write SHA-256"),
            (json.dumps({sha1(KNOWN)[:32]: KNOWN}), "it looks like MD5"),
            (json.dumps({f"sha256:{digest(KNOWN)}": OTHER}), "is not the SHA-256 of its document"),
            (json.dumps(apollo()), "no document in it"),
            (json.dumps(apollo({"id": digest(KNOWN), "body": OTHER})), "is not the SHA-256 of its document"),
            (json.dumps(apollo({"id": "Names", "body": KNOWN})), "'Names' is not the SHA-256 of its document"),
            (json.dumps(apollo({"id": digest(KNOWN), "body": KNOWN}, {})), r"operations\[1\] must have an id"),
            (json.dumps(apollo(5)), r"operations\[0\] must have an id"),
            (json.dumps(apollo() | {"operations": {}}), "its format is not known"),
            (json.dumps(apollo() | {"version": 2}), "its format is not known"),
            (json.dumps({"format": "other", "operations": []}), "its format is not known"),
            (json.dumps({digest(KNOWN): OTHER}), "is not the SHA-256 of its document"),
            (json.dumps({"names": KNOWN}), "is not the SHA-256 of its document"),
            (json.dumps({digest(KNOWN): 5}), "is not the SHA-256 of its document"),
        ],
    )
    def test_an_invalid_manifest_is_refused_at_start(
        self, vendors: Vendors, tmp_path: Path, content: str, message: str
    ) -> None:
        file = tmp_path / "operations.json"
        file.write_text(content)
        with pytest.raises(ConfigurationError, match=message):
            create_app(vendors.settings(documents={"trusted": str(file)}))

    def test_a_missing_manifest_and_an_empty_folder_are_refused_at_start(
        self, vendors: Vendors, tmp_path: Path
    ) -> None:
        for path in (tmp_path / "none.json", tmp_path):
            with pytest.raises(ConfigurationError, match=r"documents\.trusted cannot be used"):
                create_app(vendors.settings(documents={"trusted": str(path)}))

    def test_only_trusted_without_trusted_documents_is_refused(self, vendors: Vendors) -> None:
        with pytest.raises(ValueError, match="no document could run"):
            vendors.settings(documents={"only_trusted": True})


class TestAutomatic:
    async def test_a_client_sends_the_hash_then_registers_the_text_then_runs_the_hash(
        self, gateway: Gateway
    ) -> None:
        unknown = await ask(gateway, extensions=automatic(KNOWN))
        assert unknown.status == 200
        assert unknown.body == {
            "errors": [{"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}]
        }
        assert (await ask(gateway, query=KNOWN, extensions=automatic(KNOWN))).data == DATA
        assert (await ask(gateway, extensions=automatic(KNOWN))).data == DATA
        response = await gateway.http.get("/graphql", params={"extensions": json.dumps(automatic(KNOWN))})
        assert response.json() == {"data": DATA}

    async def test_in_graphqls_own_media_type_an_unknown_hash_is_400(self, gateway: Gateway) -> None:
        body = orjson.dumps({"extensions": automatic(KNOWN)})
        answer = await gateway.post(body, accept="application/graphql-response+json")
        assert (answer.status, answer.codes) == (400, ["PERSISTED_QUERY_NOT_FOUND"])

    async def test_a_wrong_hash_registers_nothing(self, gateway: Gateway) -> None:
        assert (await ask(gateway, query=OTHER, extensions=automatic(KNOWN))).status == 400
        assert (await ask(gateway, extensions=automatic(KNOWN))).codes == ["PERSISTED_QUERY_NOT_FOUND"]

    async def test_the_store_is_a_bounded_lru(self, open_gateway: OpenGateway) -> None:
        gateway = await open_gateway(documents={"automatic": 2})
        texts = [f"query Q{index} {{ sources {{ name }} }}" for index in range(3)]
        for text in texts:
            assert (await ask(gateway, query=text, extensions=automatic(text))).data == DATA
        assert (await ask(gateway, extensions=automatic(texts[0]))).codes == ["PERSISTED_QUERY_NOT_FOUND"]
        assert (await ask(gateway, extensions=automatic(texts[2]))).data == DATA

    async def test_automatic_registration_can_be_disabled(self, open_gateway: OpenGateway) -> None:
        gateway = await open_gateway(documents={"automatic": 0})
        assert (await ask(gateway, extensions=automatic(KNOWN))).codes == ["PERSISTED_QUERY_NOT_SUPPORTED"]
        assert (await ask(gateway, query=KNOWN, extensions=automatic(KNOWN))).data == DATA
        assert (await ask(gateway, extensions=automatic(KNOWN))).codes == ["PERSISTED_QUERY_NOT_SUPPORTED"]

    @pytest.mark.parametrize(
        "members",
        [
            {},
            {"query": None},
            {"query": 5},
            {"documentId": 5},
            {"documentId": "../../etc/passwd"},
            {"documentId": digest(OTHER)},
            {"extensions": {"persistedQuery": 5}},
            {"extensions": {"persistedQuery": {}}},
            {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": digest(KNOWN)}}},
            {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "\ud800" * 2}}},
            {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": [digest(KNOWN)]}}},
        ],
    )
    async def test_a_malformed_reference_is_refused(self, gateway: Gateway, members: dict[str, Any]) -> None:
        answer = await gateway.post(json.dumps(members).encode())
        assert (answer.status, answer.codes) == (400, ["BAD_USER_INPUT"])
