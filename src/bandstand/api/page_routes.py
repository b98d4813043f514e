"""The routes of the pages: HTML, style sheets and scripts out of the package `web`, under a strict security policy."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response

from bandstand.errors import NotFound
from bandstand.types import KIND_SPECS
from bandstand.types.hashing import digest

router = APIRouter(include_in_schema=False)

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_HEADERS = {
    # No inline script or style, nothing from elsewhere, nobody may frame it, and no string ever becomes HTML. Charts
    # are fetched with the operator's key, and so become images of this page's own making (blob:), which run no script.
    # Pictures of entities come from wherever the catalogue says they are.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: https: http:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",  # asked about each time, answered 304: a new version is never mixed with an old one
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file as it is sent: plain and compressed, with the tag by which a browser knows that it has it already."""

    body: bytes
    packed: bytes
    etag: str
    media_type: str


@router.get("/")
async def search_page(request: Request) -> Response:
    """The search page."""
    return _sent(request, "search.html")


@router.get("/dashboard")
async def dashboard_page(request: Request) -> Response:
    """The operator's page; what it changes needs the admin key where one is set."""
    return _sent(request, "dashboard.html")


@router.get("/dashboard/how")
async def how_page(request: Request) -> Response:
    """How the numbers of the operator's page are computed."""
    return _sent(request, "how.html")


@router.get("/assets/{path:path}")
async def asset(request: Request, path: str) -> Response:
    """A style sheet, a script, a picture."""
    return _sent(request, path)


@cache
def assets() -> dict[str, Asset]:
    """Every file of the pages by its path, read once in a process."""
    return {path: _asset(file) for path, file in _walk(files("bandstand.web"), "")}


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _walk(item, f"{prefix}{item.name}/")
        elif _suffix(item.name) in _TYPES:
            yield prefix + item.name, item


_KINDS = b"<!-- kinds -->"
"""Where a page has a tab for each kind of entity."""


def _kind_tabs() -> bytes:
    return "\n    ".join(
        f'<button type="button" role="tab" aria-controls="results" data-kind="{kind}"'
        f' data-title="{escape(spec.title)}">{escape(spec.plural)}</button>'
        for kind, spec in KIND_SPECS.items()
    ).encode()


def _asset(file: Traversable) -> Asset:
    body = file.read_bytes().replace(_KINDS, _kind_tabs())
    tag = digest(body, 12).hex()
    packed = gzip.compress(body, mtime=0)
    return Asset(body=body, packed=packed, etag=f'"{tag}"', media_type=_TYPES[_suffix(file.name)])


def _sent(request: Request, path: str) -> Response:
    found = assets().get(path)
    if found is None:
        raise NotFound(f"there is no file {path!r} among the pages")
    headers = {**_HEADERS, "ETag": found.etag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=found.media_type)
    return Response(found.body, headers=headers, media_type=found.media_type)


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]
