"""A client that reads the parts of a response as they come, and merges them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from tests.gateway import Gateway

PATHS = "multipart/mixed;deferSpec=20220824,application/json"
IDS = "multipart/mixed"
EVENTS = "text/event-stream"
BOUNDARY = b"\r\n---"
Part = dict[str, Any]


@dataclass(slots=True)
class Parts:
    """A response whose parts are read one by one."""

    response: httpx.Response
    _chunks: AsyncIterator[bytes]
    _buffer: bytes = b""
    _is_begun: bool = False

    async def next(self) -> Part:
        """Wait for the next part."""
        is_multipart = self.response.headers["content-type"].startswith("multipart/mixed")
        found: Part = orjson.loads(await (self._multipart() if is_multipart else self._event()))
        return found

    async def rest(self) -> list[Part]:
        """Every further part, to the last one."""
        parts = [await self.next()]
        while parts[-1]["hasNext"]:
            parts.append(await self.next())
        assert await self._is_complete()
        return parts

    async def _multipart(self) -> bytes:
        """The body before the next boundary: a part is complete when the boundary after it has come."""
        if not self._is_begun:
            assert await self._until(BOUNDARY) == b""
            self._is_begun = True
        head, _, body = (await self._until(BOUNDARY)).partition(b"\r\n\r\n")
        assert head == b"\r\nContent-Type: application/json; charset=utf-8"
        return body

    async def _event(self) -> bytes:
        event, data = (await self._until(b"\n\n")).split(b"\n")
        assert event == b"event: next"
        return data.removeprefix(b"data: ")

    async def _is_complete(self) -> bool:
        rest = self._buffer + b"".join([chunk async for chunk in self._chunks])
        is_multipart = self.response.headers["content-type"].startswith("multipart/mixed")
        return rest == (b"--\r\n" if is_multipart else b"event: complete\ndata:\n\n")

    async def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._buffer += await anext(self._chunks)
        found, _, self._buffer = self._buffer.partition(end)
        return found


@asynccontextmanager
async def in_parts(
    gateway: Gateway, query: str, accept: str = IDS, /, headers: dict[str, str] | None = None, **variables: Any
) -> AsyncIterator[Parts]:
    """POST a query, and read its parts within the block."""
    body = {"query": query, "variables": variables}
    async with gateway.http.stream(
        "POST", "/graphql", json=body, headers={"accept": accept} | (headers or {})
    ) as response:
        yield Parts(response, response.aiter_bytes())


async def all_parts(gateway: Gateway, query: str, accept: str = IDS, /, **variables: Any) -> list[Part]:
    """Every part of the response to a query."""
    async with in_parts(gateway, query, accept, **variables) as parts:
        return await parts.rest()


def merged(parts: Sequence[Part]) -> Part:
    """The response that the parts add up to, in either form."""
    whole: Part = {"data": parts[0]["data"], "errors": [], "extensions": {}}
    paths: dict[str, list[Any]] = {}
    for part in parts:
        paths |= {one["id"]: one["path"] for one in part.get("pending", ())}
        whole["errors"] += part.get("errors", [])
        whole["extensions"] |= part.get("extensions", {})
        for entry in part.get("incremental", ()):
            path = entry["path"] if "path" in entry else [*paths[entry["id"]], *entry.get("subPath", ())]
            if entry["data"] is not None:
                at(whole["data"], path).update(entry["data"])
            whole["errors"] += entry.get("errors", [])
            whole["extensions"] |= entry.get("extensions", {})
        whole["errors"] += [error for one in part.get("completed", ()) for error in one.get("errors", ())]
    return {name: value for name, value in whole.items() if value or name == "data"}


def at(data: Any, path: Sequence[str | int]) -> Any:
    """The value at a path."""
    for key in path:
        data = data[key]
    return data
