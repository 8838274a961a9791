"""The explorer's files: a page that reads this node, served by it. It holds no keys and changes nothing.

All files are read once, from the installed package; a request names one of them or gets 404, so no path reaches the disk.
"""

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from traco.kernel.registry import Registry, tag_of
from traco.node.api.admission import Admits, admits
from traco.node.api.problems import Problem

TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
HEADERS: Final = {
    # nothing from elsewhere, nothing inline: even a text that got into the page as markup could not run or phone home
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
INDEX: Final = "index.html"
SHAPES: Final = "shapes.json"


class StaticFile(NamedTuple):
    """A file of the explorer."""

    content: bytes
    media_type: str
    etag: str


def load_files() -> dict[str, StaticFile]:
    """The explorer's files by their paths below ``/explorer/``."""
    found: dict[str, StaticFile] = {}
    _collect(files("traco.node").joinpath("explorer"), "", found)
    return found


def _collect(folder: Traversable, prefix: str, found: dict[str, StaticFile]) -> None:
    for entry in folder.iterdir():
        suffix = "." + entry.name.rpartition(".")[2]
        if entry.is_dir():
            _collect(entry, f"{prefix}{entry.name}/", found)
        elif suffix in TYPES:
            found[prefix + entry.name] = _file(entry.read_bytes(), TYPES[suffix])


def _file(content: bytes, media_type: str) -> StaticFile:
    return StaticFile(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def shapes(registry: Registry) -> dict[str, list[str]]:
    """The fields of every instruction and event in their order: receipts have them as arrays, by position."""
    kinds = (*registry.handlers, *registry.events)
    return {str(tag_of(kind)): [field.name for field in msgspec.structs.fields(kind)] for kind in kinds}


def explorer_routes(registry: Registry) -> list[HTTPRouteHandler]:
    """The page at ``/`` and its files below ``/explorer/``. They need no token: the page asks for one."""
    known = load_files()
    known[SHAPES] = _file(msgspec.json.encode(shapes(registry)), TYPES[".json"])

    @get("/", include_in_schema=False, opt=admits(Admits.EVERYBODY))
    async def page(request: Request[Any, Any, Any]) -> Response[bytes]:
        return _answer(request, known[INDEX])

    @get("/explorer/{path:path}", include_in_schema=False, opt=admits(Admits.EVERYBODY))
    async def file(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[bytes]:
        found = known.get(path.removeprefix("/"))
        if found is None:
            raise Problem(404, "explorer.no_file", "The explorer has no such file.")
        return _answer(request, found)

    return [page, file]


def _answer(request: Request[Any, Any, Any], file: StaticFile) -> Response[bytes]:
    headers = {**HEADERS, "ETag": file.etag}
    if request.headers.get("if-none-match") == file.etag:
        return Response(b"", status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
