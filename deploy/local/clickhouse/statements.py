"""What a statement is: just enough of ClickHouse's grammar to route it.

The engine parses and judges every statement. What must be known before it runs is its kind, where
an INSERT's data begins, which FORMAT it names, and that it is one statement only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeGuard

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


# What is not closed ends with the text: nothing is looked at twice, whatever comes.
_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z)|\#[ !][^\n]*)
    |(?P<string>'(?:[^'\\]++|\\.|'')*+(?:'|\Z|\\))
    |(?P<quoted>`(?:[^`\\]++|\\.|``)*+(?:`|\Z|\\)|"(?:[^"\\]++|\\.|"")*+(?:"|\Z|\\))
    |(?P<heredoc>\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z))
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
    """The statement up to its SETTINGS, FORMAT or VALUES."""

    settings: str
    """Its SETTINGS clause."""

    format: str | None
    """The format of the data; None when the rows come from a SELECT."""

    data_start: int
    """Where inline data begins in the text."""

    def from_file(self, path: str, form: str) -> str:
        """The statement which takes the same data from a file."""
        return f"{self.head} FROM INFILE '{path}' COMPRESSION 'none' {self.settings} FORMAT {form}"

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
    def inline_data(self) -> str:
        """The data of an INSERT that stands in its text; a comment is none."""
        if self.insert is None:
            return ""
        data = self.text[self.insert.data_start :]
        return data if any(token.kind != "end" for token in tokens(data)) else ""

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
        return f"{self.body}\n{self.after_format}" if self.format else self.text


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
    found, end = [first], len(text)
    for token in stream:
        if token.kind == "end":
            _refuse_more(text, token, stream)
            end = token.start
            break
        found.append(token)
        if kind == "WITH" and token.is_word("INSERT"):
            kind = "INSERT"
    return _with_clauses(text[:end], kind, found)


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


class _Tokens:
    """Tokens with a look at the next one. Never reads further than that: data may follow."""

    def __init__(self, stream: Iterator[Token]) -> None:
        self.stream = stream
        self.next: Token | None = next(stream, None)

    def take(self) -> Token | None:
        """The next token."""
        token = self.next
        self.next = next(self.stream, None) if token is not None else None
        return token

    def skip(self, word: str) -> bool:
        """Passes a keyword if it comes next."""
        found = self.next is not None and self.next.is_word(word)
        if found:
            self.take()
        return found


@dataclass
class _Head:
    """Where the parts of an INSERT's head are."""

    target: int
    target_end: int
    columns: str | None = None
    settings: int = -1
    end: int = -1


def _parse_insert(text: str, stream: Iterator[Token]) -> Statement:
    """INSERT INTO [TABLE] [FUNCTION] target [(columns)] [SETTINGS …] VALUES | FORMAT f | SELECT."""
    found = _Tokens(stream)
    found.skip("INTO")
    found.skip("TABLE")
    head = _insert_target(text, found, function=found.skip("FUNCTION"))
    end = head.target_end
    while (token := found.next) is not None and token.kind != "end":
        word = token.text.upper() if token.kind == "word" else ""
        if word == "VALUES":
            head.end = token.start
            return _data_insert(text, head, "Values", token.end)
        if word in ("SELECT", "WITH", "WATCH") or _is_subquery(token):
            return _select_insert(text, found)
        found.take()
        end = token.end
        following = found.next
        if word == "FORMAT":
            if following is None or following.kind != "word":
                raise _expected("the name of a format", following, text)
            head.end = token.start
            return _data_insert(text, head, following.text, following.end)
        if word == "FROM":
            if following is not None and following.is_word("INFILE"):
                raise ServerError(
                    Code.NOT_IMPLEMENTED, "FROM INFILE is not allowed: the client reads files."
                )
            return _select_insert(text, found)
        if word == "SETTINGS":
            head.settings = token.start
        elif token.kind == "group" and head.settings < 0:
            head.columns = token.text[1:-1]
    if found.next is not None:
        _refuse_more(text, found.next, found.stream)
    head.end = end
    return _data_insert(text[:end], head, "Values", end)


def _insert_target(text: str, found: _Tokens, *, function: bool) -> _Head:
    name = found.take()
    if not _is_name(name):
        raise _expected("a table name behind INSERT INTO", name, text)
    start, end = name.start, name.end
    while found.next is not None and found.next.text == ".":
        found.take()
        name = found.take()
        if not _is_name(name):
            raise _expected("a table name behind the dot", name, text)
        end = name.end
    if function and found.next is not None and found.next.kind == "group":
        end = found.next.end
        found.take()
    return _Head(start, end)


def _is_name(token: Token | None) -> TypeGuard[Token]:
    """A name, or a parameter that stands for one: `{table:Identifier}`."""
    return token is not None and (token.kind in ("word", "quoted") or token.text[:1] == "{")


def _is_subquery(token: Token) -> bool:
    inner = next(tokens(token.text, 1), None) if token.kind == "group" else None
    return inner is not None and inner.kind == "word" and inner.text.upper() in ("SELECT", "WITH")


def _expected(what: str, found: Token | None, text: str) -> ServerError:
    position, near = (found.start + 1, found.text[:40]) if found else (len(text), "end of query")
    return ServerError(
        Code.SYNTAX_ERROR, f"Syntax error: failed at position {position} ({near}): Expected {what}."
    )


def _data_insert(text: str, head: _Head, kind: str, data_start: int) -> Statement:
    # As a server does: blanks up to one line end separate the format from the data.
    while data_start < len(text) and text[data_start] in " \t\r":
        data_start += 1
    if data_start < len(text) and text[data_start] in "\n;":
        data_start += 1
    settings_start = head.end if head.settings < 0 else head.settings
    insert = Insert(
        target=text[head.target : head.target_end],
        columns=head.columns,
        head=text[:settings_start].rstrip(),
        settings=text[settings_start : head.end].rstrip(),
        format=kind,
        data_start=data_start,
    )
    return Statement(text, "INSERT", text, kind, insert=insert)


def _select_insert(text: str, found: _Tokens) -> Statement:
    while (token := found.take()) is not None:
        if token.kind == "end":
            if found.next is not None and found.next.kind != "end":
                _refuse_more(text, token, iter((found.next,)))
            text = text[: token.start]
            break
    return Statement(text, "INSERT", text, insert=Insert("", None, text, "", None, len(text)))


def refuse_data_after_values(data: str) -> None:
    """A server takes one statement at a time, also when its data ends before the text does."""
    stream = tokens(data)
    for token in stream:
        if token.kind == "end":
            _refuse_more(data, token, stream)
