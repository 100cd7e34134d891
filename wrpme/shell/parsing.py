"""A line, or the words of a command line, becomes a command or a sentence that says what is wrong. Pure.

On a line a word may be quoted, see :mod:`wrpme.protocol.quoting`. The words of a command line have been quoted for
another shell: there contents are taken as they are, and only an alias has quotes or escapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isfinite

from msgspec.structs import replace

from wrpme import options
from wrpme.errors import UsageError
from wrpme.files.option_values import user
from wrpme.limits import REPLICATION_MAX
from wrpme.options import Given, Option
from wrpme.protocol import address as addresses
from wrpme.protocol import validation
from wrpme.protocol.quoting import SEPARATORS, Quoted, bytes_of, cut, typed_alias, typed_content
from wrpme.shell.imports import redis_url
from wrpme.shell.commands import INPUT, Command, Kind, Parameter, Spec, quoted, spec_of

_FIELDS = {"prefix": "prefixes"}
"""The field of an option where that is not its name."""


def parse(line: str) -> Command | None:
    """Returns the command on a line, or None for a blank one. Bytes that are not UTF-8 come as surrogate escapes.

    Raises:
        NoSuchCommandError: its first word is no command.
        UsageError: the words after it are wrong.
        TooLargeError: an alias or a content is over its limit.
    """
    word, rest = cut(line)
    if not word and not isinstance(word, Quoted):
        return None
    spec = spec_of(word)
    words: list[str] = []
    if spec.options.has_command:
        words, rest = _cut_options(spec, rest)
    for parameter in spec.parameters:
        if parameter.kind is Kind.WORDS:
            return Command(spec.name, words=_split(rest))
        if parameter.kind is Kind.REST:
            if rest:
                words.append(typed_content(rest[1:]))
            rest = ""
            break
        if not rest.strip(SEPARATORS):
            break
        word, rest = cut(rest)
        words.append(word)
    while rest := rest.lstrip(SEPARATORS):
        word, rest = cut(rest)
        words.append(word)
    return _build(spec, words)


def _cut_options(spec: Spec, rest: str) -> tuple[list[str], str]:
    """Returns the options that stand before the other words of a line, and what follows them."""
    known = spec.options.by_spelling()
    words: list[str] = []
    while rest := rest.lstrip(SEPARATORS):
        word, left = cut(rest)
        option = _option(known, word)
        if option is None and not options.ends_options(word):
            break
        words.append(word)
        rest = left
        if option is None:
            break
        if _takes_next(option, word) and rest.strip(SEPARATORS):
            word, rest = cut(rest)
            words.append(word)
    return words, rest


def parse_words(words: Sequence[str]) -> Command:
    """Returns the command that the words of a command line make; its last content may be of several words, or
    ``INPUT``: then it lacks its content.

    Raises:
        NoSuchCommandError: the first word is no command.
        UsageError: the words after it are wrong.
        TooLargeError: an alias or a content is over its limit.
    """
    spec = spec_of(words[0])
    if spec.remote:
        return Command(spec.name, words=tuple(words[1:]))
    given = list(words[1:])
    at = options_before(spec, given) + len(spec.parameters) - 1
    if spec.parameters and spec.parameters[-1].kind is Kind.REST and len(given) > at:
        given[at:] = [" ".join(given[at:])]
    takes_input = spec.content_from_input
    command = _build(spec, given, f"{INPUT} in its place reads it from standard input; " if takes_input else "")
    return replace(command, content=None) if takes_input and given[at:] == [INPUT] else command


def options_before(spec: Spec, words: Sequence[str]) -> int:
    """Returns how many of the words are options that stand before the other ones. A word that merely begins with a dash
    is an alias, and so is any word after ``--``."""
    known = spec.options.by_spelling() if spec.options.has_command else {}
    at = 0
    while at < len(words) and known:
        if options.ends_options(words[at]):
            return at + 1
        option = _option(known, words[at])
        if option is None:
            break
        at += 2 if _takes_next(option, words[at]) else 1
    return min(at, len(words))


def _option(known: dict[str, Option], word: str) -> Option | None:
    return None if isinstance(word, Quoted) else known.get(word.partition("=")[0])


def _takes_next(option: Option, word: str) -> bool:
    return option.value is not None and "=" not in word


def _split(rest: str) -> tuple[str, ...]:
    from shlex import split

    try:
        return tuple(split(rest))
    except ValueError:
        raise UsageError(f"a quote is open in {quoted(rest.strip())}; close it") from None


def _build(spec: Spec, words: Sequence[str], without_content: str = "") -> Command:
    """Makes the command; ``without_content`` is what to say beside that its content is missing."""
    written = f"it is written: {spec.syntax}"
    fields: dict[str, object] = {}
    if spec.options.has_command:
        taken = options_before(spec, words)
        fields |= _life_span(options.parse(spec.options, words[:taken]))
        words = words[taken:]
    elif spec.options.all:  # else words that begin with a dash are words as others
        given = options.parse(spec.options, words)
        fields |= {_FIELDS.get(name, name.replace("-", "_")): value for name, value in given.values.items()}
        words = given.words
    if len(words) > len(spec.parameters) and not (spec.parameters and spec.parameters[-1].repeated):
        raise UsageError(f"{quoted(words[len(spec.parameters)])} is too much for {spec.name}; {written}")
    for index, parameter in enumerate(spec.parameters):
        if index < len(words) and parameter.repeated:
            fields[parameter.field] = tuple(_value(parameter, word) for word in words[index:])
        elif index < len(words):
            fields[parameter.field] = _value(parameter, words[index])
        elif not parameter.optional:
            told = without_content if parameter.field == "content" else ""
            raise UsageError(f"{spec.name} needs {parameter.name}; {told}{written}")
    for option in spec.options.all:
        if option.is_required and option.name not in fields:
            raise UsageError(f"{spec.name} needs {option.written}; {written}")
    _check_excluded(spec, fields)
    return Command(spec.name, **fields)  # type: ignore[arg-type]  # the tables say which field is of which kind


def _check_excluded(spec: Spec, fields: dict[str, object]) -> None:
    """Raises UsageError where two of the words can't be meant together."""
    if spec.name == "user_remove" and bool(fields.get("user")) is bool(fields.get("all")):
        raise UsageError(f"user_remove takes a NAME, or --all in its place; it is written: {spec.syntax}")
    if fields.get("replace") and fields.get("keep"):
        raise UsageError("--replace and --keep exclude each other; give one of them")
    for name in ("replace", "keep"):
        if fields.get(name) and isinstance(fields.get("source"), redis_url.RedisUrl):
            raise UsageError(f"--{name} is for files: what comes from a Redis replaces entries of the same alias")


def _life_span(given: Given) -> dict[str, object]:
    """Returns the fields of a command that say how long an entry lives."""
    fields: dict[str, object] = {name.replace("-", "_"): value for name, value in given.values.items()}
    if "expires" in given:
        fields["expires"] = _number(Parameter("TIME", Kind.TIME, "expires"), given["expires"])
    if len(fields) > 1:
        names = " and ".join(f"--{name}" for name in given.values)
        raise UsageError(f"{names} exclude each other; give one of them")
    return fields


def _value(parameter: Parameter, word: str) -> object:
    kind = parameter.kind
    if kind is Kind.ALIAS:
        alias = typed_alias(word)
        validation.check_alias(alias)
        return alias
    if kind in (Kind.REST, Kind.WORD):
        content = bytes_of(word)
        validation.check_content(content)
        return content
    if kind is Kind.PREFIX:
        prefix = typed_alias(word)
        validation.check_prefix(prefix)
        return prefix
    if kind is Kind.ADDRESS:
        addresses.parse(word)
        return word
    if kind is Kind.SOURCE:
        return redis_url.parse(word) if "://" in word else word
    if kind is Kind.FILE:
        return word
    if kind is Kind.USER:
        return user(word)
    if kind is Kind.COMMAND:
        return spec_of(word).name
    return _number(parameter, word)


def _number(parameter: Parameter, word: str) -> datetime | float:
    kind = parameter.kind
    try:
        number = float(word) if kind in (Kind.TIME, Kind.SECONDS) else int(word)
        if kind is Kind.COPIES and not 1 <= number <= REPLICATION_MAX:
            raise ValueError
        if isfinite(number) and (number >= 0 or kind is Kind.INTEGER):
            return number
    except ValueError:
        pass
    if kind is Kind.TIME:
        try:
            return datetime.fromisoformat(word)
        except ValueError:
            pass
    raise UsageError(f"{parameter.name} is {quoted(word)}, but should be {kind.value}")
