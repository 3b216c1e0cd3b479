"""The client of the SDK: requests, decoded replies with their cost, and errors in the vendor's sense."""

import msgspec
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.adapters.conftest import Serve, serve
from tracegraph.adapter import CallCost, FetchInfo, LenientDecoder, LenientStruct, Reply, VendorClient
from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceNotFound,
    SourceObjectNotFound,
)
from tracegraph.upstream.messages import UpstreamRequest, UpstreamResponse

__all__ = ["serve"]


class Echo(LenientStruct):
    """What the vendor received."""

    method: str
    path: str
    query: dict[str, str]
    key: str | None = None
    json: dict[str, int] | None = None


ECHO: LenientDecoder[Echo] = LenientDecoder(Echo)


class Thing(LenientStruct):
    """A row."""

    id: str


class Things(LenientStruct):
    """A list of rows."""

    data: list[Thing | None]


LIST: LenientDecoder[Things] = LenientDecoder(Things)


async def _echo(request: Request) -> Response:
    body = await request.body()
    return JSONResponse(
        {
            "method": request.method,
            "path": request.url.path,
            "query": dict(request.query_params),
            "key": request.headers.get("x-key"),
            "json": msgspec.json.decode(body) if body else None,
            "unmapped": [1, 2],
        }
    )


VENDOR = Starlette(
    routes=[
        Route("/echo", _echo, methods=["GET", "POST"]),
        Route("/list", lambda _: JSONResponse({"data": [{"id": "a", "more": 1}, {}, {"id": "c"}]})),
        Route("/odd", lambda _: JSONResponse(["another shape"])),
    ]
)


class Client(VendorClient):
    """A client that reads a 404 as an unknown object."""

    def explain_error(self, error: SourceError, request: UpstreamRequest) -> SourceError:
        if isinstance(error, SourceNotFound):
            return error.restated(SourceObjectNotFound, f"Source {self.source!r} has no {request.kind}.")
        return error


@pytest.fixture
async def client(serve: Serve) -> Client:
    return Client(await serve(VENDOR), {"x-key": SecretStr("secret"), "x-none": None})


async def test_a_get_sends_query_and_credential(client: Client) -> None:
    reply = await client.get("things", "/echo", ECHO, [("limit", "5")])

    assert reply.value == Echo("GET", "/echo", {"limit": "5"}, "secret")


async def test_a_post_sends_json(client: Client) -> None:
    assert (await client.post("things", "/echo", ECHO, {"limit": 5})).value.json == {"limit": 5}


async def test_a_reply_holds_its_cost_and_the_undecoded_body(client: Client) -> None:
    reply: Reply[Echo] = await client.get("things", "/echo", ECHO)

    assert reply.provenance == FetchInfo(1)
    assert reply.raw().decode()["unmapped"] == [1, 2]
    assert reply.raw("query").decode() == {}


async def test_the_readable_rows_of_a_list_have_the_vendors_objects(client: Client) -> None:
    reply = await client.get("things", "/list", LIST)

    assert [(row.id, raw.decode()) for row, raw in reply.rows(reply.value.data, "data")] == [
        ("a", {"id": "a", "more": 1}),
        ("c", {"id": "c"}),
    ]


async def test_a_body_of_another_shape_is_a_bad_response(client: Client) -> None:
    with pytest.raises(SourceBadResponse):
        await client.get("things", "/odd", ECHO)


async def test_an_error_has_the_meaning_that_the_client_gives_it(client: Client) -> None:
    with pytest.raises(SourceObjectNotFound, match="has no things") as raised:
        await client.get("things", "/missing", ECHO, expected_statuses=frozenset({404}))

    assert raised.value.upstream_requests == 1
    assert raised.value.__context__ is None


async def test_an_error_without_a_meaning_of_its_own_is_raised_as_it_is(client: Client) -> None:
    with pytest.raises(SourceBadRequest):
        await client.post("things", "/odd", ECHO, {})


async def test_a_reply_of_status_200_may_stand_for_a_failure(serve: Serve) -> None:
    """As in GraphQL. It is no failure of the vendor, and not retried."""

    class Refusing(Client):
        def refusal_in(self, reply: UpstreamResponse) -> SourceError | None:
            return SourceBadRequest(self.source, "refused", http_status=200) if b"more" in reply.body else None

    client = Refusing(await serve(VENDOR), {})
    with pytest.raises(SourceBadRequest, match="refused") as raised:
        await client.get("things", "/list", LIST)

    assert raised.value.upstream_requests == 1
    assert (await client.get("things", "/echo", ECHO)).value.path == "/echo"


async def test_the_calls_of_one_operation_are_counted_on_success_and_on_error(client: Client) -> None:
    cost = CallCost()

    async def read_twice() -> None:
        with cost:
            cost.add(await client.get("things", "/echo", ECHO))
            cost.add(await client.get("things", "/missing", ECHO))

    with pytest.raises(SourceObjectNotFound) as raised:
        await read_twice()

    assert cost.total == FetchInfo(1)
    assert raised.value.upstream_requests == 2
