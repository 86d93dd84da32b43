"""What a statement is: just enough of ClickHouse's grammar to route it.

The engine parses and judges every statement. What must be known before it runs is its kind, where
an INSERT's data begins, which FORMAT it names, and that it is one statement only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from deploy.local.clickhouse.errors import Code, ServerError

READS = frozenset(
    ("SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK")
)
"""Kinds that answer with rows, and take FORMAT and INTO OUTFILE."""

STREAMS = frozenset(("SELECT", "WITH", "FROM"))
"""Kinds which the engine can answer piece by piece."""


class Token(NamedTuple):
    """A piece of a statement outside of parentheses."""

    kind: str
    text: str
    start: int
    end: int

    def is_word(self, word: str) -> bool:
        """Whether this is the keyword, in any case."""
        return self.kind == "word" and self.text.upper() == word


_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/|\#[ !][^\n]*)
    |(?P<string>'(?:[^'\\]+|\\.|'')*')
    |(?P<quoted>`(?:[^`\\]+|\\.|``)*`|"(?:[^"\\]+|\\.|"")*")
    |(?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<word>[^\W\d]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<open>[(\[{])
    |(?P<close>[)\]}])
    |(?P<end>;)
    |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_INSIDE = re.compile(r"[^'\"`()\[\]{}$/#-]+")


def tokens(text: str, start: int = 0) -> Iterator[Token]:
    """The tokens at the top level; a parenthesis with all that is in it is one token, `group`."""
    position, depth, opened = start, 0, 0
    while position < len(text):
        if depth and (boring := _INSIDE.match(text, position)):
            position = boring.end()
            continue
        found = _TOKEN.match(text, position)
        if found is None:  # pragma: no cover
            return
        kind, end = found.lastgroup or "other", found.end()
        if kind == "tag":
            kind = "heredoc"
        if kind == "open":
            if depth == 0:
                opened = position
            depth += 1
        elif kind == "close" and depth:
            depth -= 1
            if depth == 0:
                yield Token("group", text[opened:end], opened, end)
        elif depth == 0 and kind != "space":
            yield Token(kind, found.group(), position, end)
        position = end
    if depth:
        yield Token("other", text[opened:], opened, len(text))


@dataclass(frozen=True)
class Insert:
    """The head of an INSERT."""

    target: str
    """The table's name, or the table function with its arguments."""

    columns: str | None
    """What stands in the parentheses behind the target."""

    head: str
    """The statement up to its data, without FORMAT or VALUES."""

    format: str | None
    """The format of the data; None when the rows come from a SELECT."""

    data_start: int
    """Where inline data begins in the text."""

    @property
    def takes_data(self) -> bool:
        """Whether the rows come from the client."""
        return self.format is not None


@dataclass(frozen=True)
class Statement:
    """One statement, trimmed of what follows it."""

    text: str
    kind: str
    body: str
    """The text without its FORMAT clause."""

    format: str | None = None
    after_format: str = ""
    """What stands behind the FORMAT clause: SETTINGS."""

    insert: Insert | None = None

    @property
    def reads(self) -> bool:
        """Whether it answers with rows."""
        return self.kind in READS

    @property
    def streams(self) -> bool:
        """Whether the engine can answer piece by piece."""
        return self.kind in STREAMS

    def with_output(self, destination: str, default_format: str) -> str:
        """The statement with its rows sent to a file, in its own format or the default."""
        return (
            f"{self.body}\nINTO OUTFILE '{destination}' APPEND "
            f"FORMAT {self.format or default_format} {self.after_format}"
        )

    def without_format(self) -> str:
        """The statement without FORMAT: over the native protocol that is the client's."""
        return f"{self.body} {self.after_format}" if self.format else self.text


def parse(text: str) -> Statement:
    """Classifies a statement; raises what ClickHouse raises for several at once."""
    stream = tokens(text)
    first = next(stream, None)
    while first is not None and first.kind == "end":
        first = next(stream, None)
    if first is None:
        raise ServerError(
            Code.SYNTAX_ERROR, "Syntax error: failed at position 1 (end of query): Empty query."
        )
    if first.kind == "group":
        inner = next(tokens(text, first.start + 1), None)
        kind = inner.text.upper() if inner and inner.kind == "word" else "SELECT"
    else:
        kind = first.text.upper() if first.kind == "word" else ""
    if kind == "INSERT":
        return _parse_insert(text, stream)
    found = [first]
    for token in stream:
        if token.kind == "end":
            _refuse_more(text, token, stream)
            break
        found.append(token)
        if kind == "WITH" and token.is_word("INSERT"):
            kind = "INSERT"
    return _with_clauses(text[: found[-1].end], kind, found)


def _refuse_more(text: str, end: Token, rest: Iterator[Token]) -> None:
    for token in rest:
        if token.kind != "end":
            raise ServerError(
                Code.SYNTAX_ERROR,
                "Syntax error (Multi-statements are not allowed): failed at position "
                f"{end.end} (end of query): {text[end.start : end.start + 80]}. ",
            )


def _with_clauses(text: str, kind: str, found: list[Token]) -> Statement:
    if kind not in READS:
        return Statement(text, kind, text)
    for number in range(len(found) - 2, 0, -1):
        token = found[number]
        if token.is_word("OUTFILE") and found[number - 1].is_word("INTO"):
            raise ServerError(
                Code.INTO_OUTFILE_NOT_ALLOWED,
                "INTO OUTFILE is not allowed: the client writes files.",
            )
    for number in range(len(found) - 2, 0, -1):
        token, name = found[number], found[number + 1]
        after = found[number + 2] if number + 2 < len(found) else None
        if (
            token.is_word("FORMAT")
            and name.kind == "word"
            and found[number - 1].text not in (".", ",", "AS", "as")
            and (after is None or after.is_word("SETTINGS"))
        ):
            rest = text[after.start :] if after else ""
            return Statement(text, kind, text[: token.start].rstrip(), name.text, rest)
    return Statement(text, kind, text)


def _parse_insert(text: str, stream: Iterator[Token]) -> Statement:
    """INSERT INTO [TABLE] [FUNCTION] target [(columns)] [SETTINGS …] VALUES | FORMAT f | SELECT."""
    found: list[Token] = []
    target_start = target_end = -1
    columns: str | None = None
    function = False
    in_settings = False
    for token in stream:
        word = token.text.upper() if token.kind == "word" else ""
        if token.kind == "end":
            _refuse_more(text, token, stream)
            break
        if target_end < 0:
            if word == "INTO" and target_start < 0 and not found:
                found.append(token)
                continue
            if word == "TABLE" and target_start < 0 and not function:
                continue
            if word == "FUNCTION" and target_start < 0:
                function = True
                continue
            if token.kind in ("word", "quoted") and (
                target_start < 0 or text[found[-1].start : found[-1].end] == "."
            ):
                target_start = token.start if target_start < 0 else target_start
                found.append(token)
                continue
            if token.text == "." and target_start >= 0:
                found.append(token)
                continue
            if function and token.kind == "group":
                target_end = token.end
                found.append(token)
                continue
            if target_start < 0:
                raise ServerError(
                    Code.SYNTAX_ERROR,
                    f"Syntax error: failed at position {token.start + 1} ({token.text[:40]}): "
                    "Expected a table name behind INSERT INTO.",
                )
            target_end = found[-1].end
        found.append(token)
        if word == "SETTINGS":
            in_settings = True
        elif word == "VALUES":
            return _data_insert(
                text, target_start, target_end, columns, token.start, "Values", token.end
            )
        elif word == "FORMAT":
            name = next(stream, None)
            if name is None or name.kind != "word":
                raise ServerError(
                    Code.SYNTAX_ERROR, "Syntax error: Expected the name of a format behind FORMAT."
                )
            return _data_insert(
                text, target_start, target_end, columns, token.start, name.text, name.end
            )
        elif word in ("SELECT", "WITH", "FROM", "WATCH"):
            if word == "FROM" and (after := next(stream, None)) is not None:
                if after.is_word("INFILE"):
                    raise ServerError(
                        Code.NOT_IMPLEMENTED, "FROM INFILE is not allowed: the client reads files."
                    )
                found.append(after)
            return _select_insert(text, stream, found)
        elif token.kind == "group" and not in_settings:
            inner = next(tokens(token.text, 1), None)
            if (
                inner is not None
                and inner.kind == "word"
                and inner.text.upper() in ("SELECT", "WITH")
            ):
                return _select_insert(text, stream, found)
            columns = token.text[1:-1]
    if target_start < 0:
        raise ServerError(
            Code.SYNTAX_ERROR,
            f"Syntax error: failed at position {len(text)} (end of query): Expected a table name.",
        )
    end = found[-1].end
    if target_end < 0:
        target_end = end
    return _data_insert(text[:end], target_start, target_end, columns, end, "Values", end)


def _data_insert(
    text: str, start: int, end: int, columns: str | None, head_end: int, kind: str, data_start: int
) -> Statement:
    # As a server does: blanks up to one line end separate the format from the data.
    while data_start < len(text) and text[data_start] in " \t\r":
        data_start += 1
    if data_start < len(text) and text[data_start] in "\n;":
        data_start += 1
    insert = Insert(text[start:end], columns, text[:head_end].rstrip(), kind, data_start)
    return Statement(text, "INSERT", text, kind, insert=insert)


def _select_insert(text: str, stream: Iterator[Token], found: list[Token]) -> Statement:
    for token in stream:
        if token.kind == "end":
            _refuse_more(text, token, stream)
            break
        found.append(token)
    text = text[: found[-1].end]
    return Statement(text, "INSERT", text, insert=Insert("", None, text, None, len(text)))


def refuse_data_after_values(data: str) -> None:
    """A server takes one statement at a time, also when its data ends before the text does."""
    stream = tokens(data)
    for token in stream:
        if token.kind == "end":
            _refuse_more(data, token, stream)
