"""The table of operations as a page for people: plain HTML, no script, nothing from elsewhere."""

from collections.abc import Sequence
from html import escape

from proffer.api.operations import Operation


def operations_page(operations: Sequence[Operation]) -> str:
    """Return the page."""
    rows = "\n".join(
        f"<tr><td>{each.method}</td><td><code>{escape(each.path)}</code></td><td>{escape(each.summary)}</td>"
        f"<td>{each.scope}</td></tr>"
        for each in operations
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Proffer: operations</title></head><body>\n'
        '<h1>Operations</h1>\n<p>Bodies, answers and examples are in <a href="/api/openapi.json">openapi.json</a>. '
        "Each but the public ones needs the header <code>Authorization: Bearer TOKEN</code> with its scope.</p>\n"
        f"<table>\n<tr><th>Method</th><th>Path</th><th>What it does</th><th>Scope</th></tr>\n{rows}\n</table>\n"
        "</body></html>\n"
    )
