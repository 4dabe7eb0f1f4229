"""The documentation page, drawn from the OpenAPI schema; nothing of it comes from elsewhere."""

import html
import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter()
STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:56rem;margin:2rem auto;padding:0 1rem}
code,pre{font:0.9em/1.45 ui-monospace,monospace}
pre{overflow:auto;padding:.75rem;border:1px solid #8886;border-radius:.5rem}
section{border-top:1px solid #8886;padding:.5rem 0 1rem}
h3 b{display:inline-block;min-width:4.5rem}
td,th{text-align:left;padding:.15rem 1rem .15rem 0;vertical-align:top}
"""


@router.get("/docs", include_in_schema=False)
def docs(request: Request) -> HTMLResponse:
    """Every address of the server: what it takes and gives."""
    schema = request.app.openapi()
    parts = [
        f"<h1>{html.escape(schema['info']['title'])} {html.escape(schema['info']['version'])}</h1>",
        f"<p>{html.escape(schema['info'].get('summary', ''))} The same for programs: "
        '<a href="/openapi.json">openapi.json</a>.</p>',
    ]
    for path, methods in schema["paths"].items():
        parts += [_operation(path, method, told, schema) for method, told in methods.items()]
    body = "\n".join(parts)
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>filmgrid: the API</title>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        f'<link rel=stylesheet href="/docs.css"><body>{body}</body></html>'
    )
    return HTMLResponse(page)


@router.get("/docs.css", include_in_schema=False)
def style() -> HTMLResponse:
    """Its look."""
    return HTMLResponse(STYLE, media_type="text/css")


def _operation(path: str, method: str, told: dict[str, Any], schema: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(each['name'])}</code><td>{each['in']}"
        f"<td>{html.escape(_kind(each.get('schema', {})))}"
        f"<td>{html.escape(each.get('description', ''))}"
        for each in told.get("parameters", [])
    )
    table = f"<table>{rows}</table>" if rows else ""
    body = ""
    for kind, content in told.get("requestBody", {}).get("content", {}).items():
        shape = json.dumps(_resolved(content.get("schema", {}), schema), indent=1)
        body += f"<p>Takes <code>{html.escape(kind)}</code></p><pre>{html.escape(shape)}</pre>"
    text = html.escape(told.get("description", told.get("summary", "")))
    return (
        f"<section><h3><b>{method.upper()}</b> <code>{html.escape(path)}</code></h3>"
        f"<p>{text}</p>{table}{body}</section>"
    )


def _kind(schema: dict[str, Any]) -> str:
    kinds = [each.get("type", "") for each in schema.get("anyOf", [schema])]
    return " or ".join(kind for kind in kinds if kind and kind != "null")


def _resolved(shape: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = shape.get("$ref", "").rpartition("/")[2]
    found = schema["components"]["schemas"].get(name, shape)
    return found.get("properties", found)
