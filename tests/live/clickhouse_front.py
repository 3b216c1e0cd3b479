"""ClickHouse's HTTP interface over chdb, as much of it as NeMo Intake uses.

chdb is ClickHouse's engine in a Python process, without a server. This puts the server's protocol in front
of it: a query by GET or POST, a database, a default format, bound parameters, and inserts that carry their
data behind the query, compressed or not. Answers go out uncompressed, which every client accepts.

    python clickhouse_front.py --port 8123 --data DIRECTORY

Queries run one after another. It is run by the interpreter of a release's environment,
where chdb is installed.
"""

import argparse
import asyncio
import gzip
import importlib
import io
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

INSERT = re.compile(rb"\s*INSERT\b.*?\bFORMAT[ \t]+(?!VALUES\b)\w+[ \t]*\n", re.IGNORECASE | re.DOTALL)
"""An insert up to where its data begins."""
INSERT_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*$", re.IGNORECASE)
DATABASE = re.compile(r"\w+")
ERROR_CODE = re.compile(r"Code: (\d+)")


def decompress(body: bytes, encoding: str) -> bytes:
    """A request's body as it was before the client compressed it.

    Raises:
        ValueError: The encoding is none of clickhouse-connect's.
    """
    if encoding == "gzip":
        return gzip.decompress(body)
    # Imported by name, as chdb below: they live in the service's environment, not where types are checked.
    if encoding == "lz4":
        return bytes(importlib.import_module("lz4.frame").open(io.BytesIO(body)).read())
    if encoding == "zstd":
        reader = (
            importlib.import_module("zstandard").ZstdDecompressor().stream_reader(body, read_across_frames=True)
        )
        return bytes(reader.read())
    raise ValueError(f"content encoding {encoding}")


def query_and_data(request: Request, body: bytes) -> tuple[str, bytes]:
    """The query and an insert's data, wherever the client put the query."""
    query = request.query_params.get("query")
    if query:
        return query, body
    insert = INSERT.match(body)
    end = insert.end() if insert else len(body)
    return body[:end].decode(), body[end:]


class Engine:
    """One chdb session, used by one query at a time."""

    def __init__(self, data: Path) -> None:
        self._session: Any = importlib.import_module("chdb.session").Session(str(data))
        self._database = "default"
        self._turn = asyncio.Lock()

    async def run(
        self, query: str, data: bytes, *, database: str, default_format: str, parameters: Mapping[str, str]
    ) -> bytes:
        """Run one query, an insert with its data, and return the answer in its format.

        Raises:
            RuntimeError: The engine refused; the message is ClickHouse's.
        """
        async with self._turn:
            if database != self._database:
                await asyncio.to_thread(self._session.query, f"USE `{database}`")
                self._database = database
            if not data:
                return await self._query(query, default_format, parameters)
            with tempfile.NamedTemporaryFile() as file:
                file.write(data)
                file.flush()
                source = f"FROM INFILE '{file.name}' COMPRESSION 'none' FORMAT \\1"
                return await self._query(INSERT_FORMAT.sub(source, query), default_format, parameters)

    async def _query(self, query: str, default_format: str, parameters: Mapping[str, str]) -> bytes:
        result = await asyncio.to_thread(
            self._session.query, query, default_format, params=dict(parameters) or None
        )
        return bytes(result.bytes())

    def close(self) -> None:
        """Let go of the data directory."""
        self._session.close()


def create_app(engine: Engine) -> Starlette:
    """The interface over one engine."""

    async def ping(_: Request) -> Response:
        return PlainTextResponse("Ok.\n")

    async def query(request: Request) -> Response:
        asked = request.query_params
        database = asked.get("database") or "default"
        if not DATABASE.fullmatch(database):
            return PlainTextResponse("Code: 81. Bad database name\n", status_code=400)
        body = await request.body()
        if encoding := request.headers.get("content-encoding"):
            body = decompress(body, encoding)
        text, data = query_and_data(request, body)
        try:
            answer = await engine.run(
                text,
                data,
                database=database,
                default_format=asked.get("default_format", "TabSeparated"),
                parameters={
                    key.removeprefix("param_"): value for key, value in asked.items() if key.startswith("param_")
                },
            )
        except RuntimeError as error:
            code = ERROR_CODE.search(str(error))
            headers = {"X-ClickHouse-Exception-Code": code[1] if code else "1000"}
            return PlainTextResponse(f"{error}\n", status_code=500, headers=headers)
        return Response(answer, media_type="application/octet-stream")

    return Starlette(routes=[Route("/ping", ping), Route("/", query, methods=["GET", "POST"])])


def main() -> None:
    """Serve until a signal ends it."""
    arguments = argparse.ArgumentParser(description="ClickHouse's HTTP interface over chdb.")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--data", type=Path, required=True)
    chosen = arguments.parse_args()
    os.environ["TZ"] = "UTC"  # times without a zone are UTC, as on a server
    engine = Engine(chosen.data)
    try:
        uvicorn.run(create_app(engine), host="127.0.0.1", port=chosen.port, log_level="warning")
    finally:
        engine.close()


if __name__ == "__main__":
    main()
