"""The page at `/`: what can be asked. It works without anything from elsewhere."""

import html
from typing import Any


def page(document: dict[str, Any]) -> str:
    """List what can be asked, by the OpenAPI document."""
    rows = []
    for path, methods in document["paths"].items():
        if path.startswith("/v1/machines/{machine}/"):
            continue  # the same once more, for other machines
        for method, operation in methods.items():
            shown = html.escape(path)
            link = f'<a href="{shown}">{shown}</a>' if method == "get" and "{" not in path else shown
            text = html.escape(operation.get("description", ""))
            rows.append(f"<tr><td>{method.upper()}</td><td>{link}</td><td>{text}</td></tr>")
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>System Knowledge Base</title>"
        "<style>body{font:16px sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
        "td{padding:.3em .8em .3em 0;vertical-align:top}td:nth-child(2){font-family:monospace}</style>"
        "<h1>System Knowledge Base</h1><p>What this machine is, and what follows from it. "
        "<a href='/v1/topology?format=svg'>See the machine</a>, or <a href='/openapi.json'>the API's description</a>. "
        "What starts with <code>/v1/</code> is about this machine; the same under <code>/v1/machines/NAME/</code> about another.</p>"
        f"<table>{''.join(rows)}</table></html>"
    )
