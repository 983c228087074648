"""Paths of MAIL and RCPT: RFC 5321 4.1.2 (Path, Mailbox, Local-part), 4.1.3 (address literals), and the
size of a local part (4.5.3.1.1). Left out: source routes, parameters, UTF-8, and what the decisions take
beyond the grammar (superfluous dots, underscores).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance.samples.choices import Choices

LOCAL_MAX = 64

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
ATEXT = LETTERS + "!#$%&'*+-/=?^_`{|}~"
# qtextSMTP: printable, and neither quote nor backslash.
QTEXT = LETTERS + " !#$%&'()*+,-./:;<=>?@[]^_`{|}~"
PRINTABLE = QTEXT + '"\\'


@dataclass(frozen=True)
class Path:
    """What follows `MAIL FROM:` or `RCPT TO:`."""

    rule: str  # that makes it valid, or that is broken
    text: str
    content: str = (
        ""  # of the local part of a valid one: without quotes and backslashes
    )

    @property
    def shown(self) -> str:
        return self.text


def atom(choices: Choices) -> str:
    return choices.text(ATEXT, 1, 6)


def dot_string(choices: Choices) -> str:
    """Dot-string = Atom *("." Atom)"""
    return ".".join(choices.several(lambda: atom(choices), 1, 4))


def quoted(choices: Choices, most: int = 12) -> tuple[str, str]:
    """Quoted-string = DQUOTE *QcontentSMTP DQUOTE, with at least one; and its content."""

    def part() -> tuple[str, str]:
        if choices.rarely(3):
            pair = choices.one_of(PRINTABLE)
            return f"\\{pair}", pair
        text = choices.one_of(QTEXT)
        return text, text

    parts = choices.several(part, 1, most)
    written = "".join(text for text, _ in parts)
    return f'"{written}"', "".join(content for _, content in parts)


def valid(choices: Choices, domain: str) -> Path:
    """A Mailbox in angle brackets, at that domain, in any case."""
    if choices.below(2) == 0:
        local = content = dot_string(choices)
        rule = "Dot-string (RFC 5321 4.1.2)"
    else:
        local, content = quoted(choices)
        rule = "Quoted-string (RFC 5321 4.1.2)"
    if len(local) <= LOCAL_MAX - 32 and choices.rarely(8):
        # As long as it may be.
        filling = "a" * (LOCAL_MAX - len(local))
        if local.startswith('"'):
            local = f'{local[:-1]}{filling}"'
        else:
            local += filling
        content += filling
        rule = "64 octets (RFC 5321 4.5.3.1.1)"
    written = domain.upper() if choices.rarely() else domain
    return Path(rule, f"<{local}@{written}>", content)


def spelled(choices: Choices, content: str, domain: str) -> Path:
    """Another way to write the address whose local part has that content: in quotes, with some of its
    characters after a backslash."""
    written = [f"\\{c}" if choices.below(2) else c for c in content]
    rule = "quoted pairs in a local part (RFC 5321 4.1.2)"
    return Path(rule, f'<"{"".join(written)}"@{domain}>', content)


def _no_local_part(choices: Choices, local: str, domain: str) -> str:
    return f"<@{domain}>"


def _no_domain(choices: Choices, local: str, domain: str) -> str:
    return f"<{local}@>"


def _no_open_bracket(choices: Choices, local: str, domain: str) -> str:
    return f"{local}@{domain}>"


def _no_close_bracket(choices: Choices, local: str, domain: str) -> str:
    return f"<{local}@{domain}"


def _special(choices: Choices, local: str, domain: str) -> str:
    # No bracket, comma or colon: some leave them to what they call routes.
    character = choices.one_of('@();\\" ')
    at = choices.below(len(local)) + 1
    return f"<{local[:at]}{character}{local[at:]}x@{domain}>"


def _open_quote(choices: Choices, local: str, domain: str) -> str:
    return f'<"{local}@{domain}>'


def _after_quote(choices: Choices, local: str, domain: str) -> str:
    return f'<"{local}"{choices.one_of(LETTERS)}@{domain}>'


def _before_quote(choices: Choices, local: str, domain: str) -> str:
    return f'<{choices.one_of(LETTERS)}"{local}"@{domain}>'


def _pair_of_quote(choices: Choices, local: str, domain: str) -> str:
    return f'<"{local}\\"@{domain}>'


def _control(choices: Choices, local: str, domain: str) -> str:
    return f'<"{local}{choices.one_of(chr(1) + chr(8) + chr(27) + chr(31) + chr(127))}"@{domain}>'


def _empty_label(choices: Choices, local: str, domain: str) -> str:
    first, _, rest = domain.partition(".")
    return f"<{local}@{choices.one_of([f'{first}..{rest}', f'.{domain}'])}>"


def _hyphen(choices: Choices, local: str, domain: str) -> str:
    return f"<{local}@{choices.one_of([f'-{domain}', f'a-.{domain}'])}>"


def _domain_character(choices: Choices, local: str, domain: str) -> str:
    return f"<{local}@a{choices.one_of('!#$%&*+=?^`{|}~()')}b.{domain}>"


def _no_literal(choices: Choices, local: str, domain: str) -> str:
    literal = choices.one_of(
        ["192.0.2.256", "192.0.2", "192.0.2.1.1", "IPv6:2001:db8:::1", "IPv6:1:2:3"]
    )
    return f"<{local}@[{literal}]>"


def _open_literal(choices: Choices, local: str, domain: str) -> str:
    return f"<{local}@[192.0.2.{choices.below(255) + 1}>"


Breakage = Callable[[Choices, str, str], str]

# Whatever the domain, and whether it is served or not.
BROKEN_LOCAL: dict[str, Breakage] = {
    'Path = "<" ... ">": it has no "<"': _no_open_bracket,
    'Path = "<" ... ">": it has no ">"': _no_close_bracket,
    'Mailbox = Local-part "@" ...: no local part': _no_local_part,
    'Mailbox = ... "@" ( Domain / address-literal ): no domain': _no_domain,
    "atext: a special character in an atom": _special,
    "Quoted-string: no quote at its end": _open_quote,
    "Local-part: an atom after a quoted string": _after_quote,
    "Local-part: an atom before a quoted string": _before_quote,
    "Quoted-string: its last quote is in a quoted pair": _pair_of_quote,
    "qtextSMTP: a control character": _control,
}
BROKEN_DOMAIN: dict[str, Breakage] = {
    "sub-domain: an empty label": _empty_label,
    "sub-domain: a hyphen at an end of a label": _hyphen,
    "sub-domain: neither letter, digit nor hyphen": _domain_character,
    "address-literal: no address": _no_literal,
    "address-literal: not closed": _open_literal,
}


def broken(choices: Choices, breakages: dict[str, Breakage], domain: str) -> Path:
    """A mailbox of which one rule of the grammar is broken."""
    rule = choices.one_of(list(breakages))
    local = choices.text(LETTERS, 1, 6)
    return Path(f"{rule} (RFC 5321 4.1.2)", breakages[rule](choices, local, domain))
