"""What all pages have in common: templates that escape everything, one stylesheet, and a policy in each
document that allows its own styles and script, by their hashes, and nothing else."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from conformance.report.model import Outcome
from conformance.report.text import visible

HERE = Path(__file__).parent

# In reading order; with each, what stands for it where there is no room for a word.
SIGNS = {
    Outcome.FAIL: "✗",
    Outcome.ERROR: "!",
    Outcome.UNIMPLEMENTED: "○",
    Outcome.SKIPPED: "–",
    Outcome.PASS: "✓",
}


def render(template: str, style: str = "", script: str = "", **values: object) -> str:
    """A page; `style` is added to the common stylesheet, and `script` is the page's own."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    environment.filters["link"] = quote
    environment.globals["sign"] = SIGNS
    style = own("style.css") + style
    return environment.get_template(template).render(
        policy=policy(style, script),
        style=Markup(style),
        script=Markup(script),
        **values,
    )


def own(name: str) -> str:
    """A stylesheet or a script of this package."""
    return (HERE / name).read_text(encoding="utf-8")


def policy(style: str, script: str) -> str:
    """The document's Content-Security-Policy."""
    rules = ["default-src 'none'", f"style-src {_hash(style)}"]
    if script:
        rules.append(f"script-src {_hash(script)}")
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
