"""Routes of operation: health, metrics, and the routes as a page without scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from msgspec import UNSET, UnsetType

from bandstand.api.routing import JsonAnswer, MetricsOf, ServiceOf, answered
from bandstand.errors import BandstandError
from bandstand.learner.parking import parked_entries
from bandstand.steady_time import STEADY, said_of
from bandstand.types.answers import Answer

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c28;background:#fff}
h1{font-size:1.6rem}h2{margin-top:2.2rem;font-size:1.1rem}h3{margin:1rem 0 0;font-size:1rem}
code{font-family:ui-monospace,monospace;font-size:.9em}a{color:#5b2be0}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid #ddd;vertical-align:top}
.method{display:inline-block;min-width:4.5rem;font-weight:700;color:#5b2be0}
@media(prefers-color-scheme:dark){body{color:#ececf4;background:#15151c}td,th{border-color:#333}
.method,a{color:#b39bff}}
"""

Schema = Mapping[str, Any]


def docs_page(openapi: Schema) -> str:
    """The whole page as HTML; everything from the description is escaped."""
    info = openapi["info"]
    routes = "".join(_routes(openapi["paths"]))
    shapes = "".join(_shape(name, schema) for name, schema in openapi["components"]["schemas"].items())
    return (
        f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{escape(info['title'])} API</title>"
        f'<meta name=viewport content="width=device-width"><link rel=icon href="/assets/icon.svg">'
        f"<style>{_STYLE}</style></head><body>"
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1>"
        f"<p>{escape(info['description'])} The machine-readable form is at"
        f' <a href="/openapi.json">/openapi.json</a>.</p>{routes}<h1>Shapes</h1>{shapes}</body></html>'
    )


def _routes(paths: Schema) -> Iterator[str]:
    for path, methods in paths.items():
        for method, route in methods.items():
            yield (
                f"<h2><span class=method>{escape(method.upper())}</span> <code>{escape(path)}</code></h2>"
                f"<p><b>{escape(route['summary'])}.</b> {escape(route['description'])}</p>"
                f"{_parameters(route)}{_body(route)}{_answers(route)}"
            )


def _parameters(route: Schema) -> str:
    rows = ((item["name"], _type(item["schema"]), f"in the {item['in']}") for item in route.get("parameters", ()))
    return _table("Parameters", rows)


def _body(route: Schema) -> str:
    content = route.get("requestBody", {}).get("content", {})
    return "".join(_fields(f"Body ({kind})", value["schema"]) for kind, value in content.items())


def _answers(route: Schema) -> str:
    rows = (
        (status, " ".join(_type(value.get("schema", {})) for value in answer.get("content", {}).values()), why)
        for status, answer in sorted(route["responses"].items())
        for why in [answer["description"]]
    )
    return _table("Answers", rows)


def _shape(name: str, schema: Schema) -> str:
    title = f"<h2 id={escape(name)}><code>{escape(name)}</code></h2><p>{escape(schema.get('description', ''))}</p>"
    return title + _fields("", schema)


def _fields(title: str, schema: Schema) -> str:
    """The fields of an object, also of one that may come as a list; for any other schema, its type alone."""
    schema = next((choice for choice in schema.get("anyOf", ()) if "properties" in choice), schema)
    if "properties" not in schema:
        return _table(title, [("", _type(schema), schema.get("description", ""))])
    required = schema.get("required", ())
    rows = (
        (name, _type(value) + ("" if name in required else _default(value)), value.get("description", ""))
        for name, value in schema["properties"].items()
    )
    return _table(title, rows)


def _table(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    """Names and meanings are escaped here; types are HTML already."""
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td><code>{kind}</code></td><td>{escape(meaning)}</td></tr>"
        for name, kind, meaning in rows
    )
    return f"<h3>{escape(title)}</h3><table>{cells}</table>" if cells else ""


def _type(schema: Schema) -> str:
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(choice) for choice in schema["anyOf"]))
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "enum" in schema:
        return escape(" | ".join(map(str, schema["enum"])))
    if schema.get("type") == "array":
        return f"[{', '.join(map(_type, schema.get('prefixItems') or (schema.get('items', {}),)))}]"
    if isinstance(schema.get("additionalProperties"), Mapping) and "properties" not in schema:
        return f"{{name: {_type(schema['additionalProperties'])}}}"
    return escape(schema.get("type", "any"))


def _default(schema: Schema) -> str:
    default = schema.get("default")
    return "" if default is None else escape(f" = {default}")


router = APIRouter(tags=["operation"])

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class AliveAnswer(Answer):
    """The process answers."""

    status: Literal["ok"] = "ok"


class LearningAnswer(Answer):
    """How far learning has come: entries that wait, for how long the oldest of them, ages of what was made last."""

    waiting: int
    oldest_seconds: float
    published_seconds: float | None
    trained_seconds: float | None


class ThreadAnswer(Answer):
    """A thread whose work has ended unbidden, how often, and why; `failing` says that it does so now."""

    name: str
    failures: int
    failing: bool
    reason: str


class ReadyAnswer(Answer):
    """The home is loaded; `parked` is how many log entries could not be learned from.

    That and `threads` are left out where there are none, and `clock` where it did not jump.
    """

    entities: int
    learning: LearningAnswer
    status: Literal["ready"] = "ready"
    parked: int | UnsetType = UNSET
    threads: list[ThreadAnswer] | UnsetType = UNSET
    clock: str | UnsetType = UNSET


@router.get("/healthz", summary="Is the process alive", responses=answered(AliveAnswer))
async def alive() -> JsonAnswer:
    """Always `ok` while the process answers."""
    return JsonAnswer(AliveAnswer())


@router.get("/readyz", summary="Can it search", responses=answered(ReadyAnswer, 503))
def ready(service: ServiceOf) -> JsonAnswer:
    """503 with Retry-After while any worker is loading, where nothing can be found, and where learning stands still."""
    home = service.ready
    state = service.learned_so_far()
    parked = len(parked_entries(home.memory.scan))
    failed = [
        ThreadAnswer(name=one.name, failures=one.failures, failing=one.failing_since is not None, reason=one.reason)
        for one in service.threads()
        if one.failures
    ]
    answer = ReadyAnswer(
        entities=int(home.catalog.columns.live.sum()),
        learning=LearningAnswer(
            waiting=state.waiting,
            oldest_seconds=state.oldest_s,
            published_seconds=state.published_s,
            trained_seconds=state.trained_s,
        ),
        parked=parked or UNSET,
        threads=failed or UNSET,
        clock=said_of(STEADY.jump_s) if STEADY.jump_s else UNSET,
    )
    return JsonAnswer(answer)


@router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
def metrics(service: ServiceOf, counted: MetricsOf) -> Response:
    """In Prometheus' text format; of all API processes together."""
    try:
        home = service.home
    except BandstandError:
        home = None
    return Response(counted.page(home, service.threads()), media_type=_METRICS_TYPE)


@router.get("/docs", include_in_schema=False)
def docs(request: Request) -> HTMLResponse:
    """The routes as a page that needs no internet."""
    return HTMLResponse(docs_page(request.app.openapi()))
