"""A reader of Received fields (RFC 5321 4.4) that takes every spelling the grammar allows: keywords in any
case, comments and folding wherever CFWS may stand, clauses left out.

It does not judge the words of a clause beyond what `GRAMMAR` says of their order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from conformance import fail
from conformance.lab import Message

KEYWORDS = ("from", "by", "via", "with", "id", "for")

# Without its comments and its date. An ID with dots is let pass, as many MTAs write it.
_DOMAIN = r"(?:\[[^][\s]+\]|[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?)"
_ATOM = r"[!#-'*+/-9=?A-Z^-~.-]+"
_PATH = r"(?:<[^<>\s]*>|[^<>\s]+@[^<>\s]+|<?\"[^\"]*\"@[^<>\s]+)"
GRAMMAR = re.compile(
    rf"from {_DOMAIN} by {_DOMAIN}(?: via {_ATOM})?(?: with {_ATOM})?"
    rf"(?: id (?:{_ATOM}|<[^<>\s]+>))?(?: for {_PATH})?"
    rf"(?: (?!(?:from|by|via|with|id|for) ){_ATOM} \S+)*",
    re.IGNORECASE,
)

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
# date-time of RFC 5322 3.3 without its obs- forms.
_DATE = re.compile(
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun)\s*,\s*)?(?P<day>[0-9]{1,2})\s+"
    rf"(?P<month>{'|'.join(_MONTHS)})\s+(?P<year>[0-9]{{4,}})\s+"
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?\s+"
    r"(?P<sign>[+-])(?P<offset_hours>[0-9]{2})(?P<offset_minutes>[0-9]{2})",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Received:
    """One field. `clauses` has, by keyword in small letters, what follows it up to the next keyword,
    comments included."""

    value: str
    clauses: dict[str, str]
    stamp: str  # all before the date, without comments, in single spaces
    date: str  # what follows the semicolon, without comments

    def clause(self, keyword: str) -> str:
        """The text of a clause, which has to be there."""
        if keyword not in self.clauses:
            fail(f"a Received field with a {keyword.upper()} clause", self.value)
        return self.clauses[keyword]

    def word(self, keyword: str) -> str:
        """The first word of a clause that is no comment; nothing where there is none."""
        words = without_comments(self.clause(keyword)).split()
        return words[0] if words else ""

    def date_time(self) -> datetime:
        """The date and time, which have to be those of RFC 5322 without obs- forms."""
        match = _DATE.fullmatch(self.date)
        if match is None:
            fail("a date-time of RFC 5322 without obs- forms", self.value)
        offset = timedelta(
            hours=int(match["offset_hours"]), minutes=int(match["offset_minutes"])
        )
        try:
            local = datetime(
                int(match["year"]),
                _MONTHS.index(match["month"].lower()) + 1,
                int(match["day"]),
                int(match["hour"]),
                int(match["minute"]),
                min(59, int(match["second"] or 0)),  # 60 is a leap second
                tzinfo=timezone.utc,
            )
            return local - offset if match["sign"] == "+" else local + offset
        except (ValueError, OverflowError):
            fail("a date-time that exists", self.value)


def tokens(value: str) -> list[str]:
    """`value` divided into comments (nested, each with its parentheses), semicolons, and words."""
    found: list[str] = []
    word, depth, quoted, escaped = "", 0, False, False
    for character in value:
        plain = not escaped
        escaped = plain and character == "\\" and (quoted or depth > 0)
        if plain and not quoted and character == "(":
            if depth == 0 and word:
                found.append(word)
                word = ""
            depth += 1
        if plain and depth == 0 and character == '"':
            quoted = not quoted
        if plain and not quoted and depth == 0 and character in " \t\r\n;":
            found += [word] if word else []
            found += [";"] if character == ";" else []
            word = ""
            continue
        word += character
        if plain and not quoted and depth > 0 and character == ")":
            depth -= 1
            if depth == 0:
                found.append(word)
                word = ""
    return [*found, word] if word else found


def without_comments(value: str) -> str:
    """`value` without its comments, in single spaces."""
    return " ".join(token for token in tokens(value) if not token.startswith("("))


def parse(value: str) -> Received:
    """The parts of a field's value."""
    found = tokens(value)
    end = found.index(";") if ";" in found else len(found)
    clauses: dict[str, list[str]] = {}
    current: list[str] = []
    expects_keyword = True
    for token in found[:end]:
        is_keyword = token.lower() in KEYWORDS and token.lower() not in clauses
        if is_keyword and expects_keyword:
            current = clauses[token.lower()] = []
            expects_keyword = False
            continue
        current.append(token)
        expects_keyword = expects_keyword or not token.startswith("(")
    return Received(
        value=value,
        clauses={name: " ".join(words) for name, words in clauses.items()},
        stamp=without_comments(" ".join(found[:end])),
        date=without_comments(" ".join(found[end + 1 :])),
    )


def added(message: Message) -> list[Received]:
    """The Received fields of a message that had none when it was sent: those of the subject, of which
    there has to be one. Some MTAs add one for each of their own processes."""
    fields = message.fields("Received")
    fields[0]
    return [parse(value) for _, value in fields]
