"""JSON-LD to canonical N-Quads (RDFC-1.0), with pinned contexts and nothing lost on the way.

JSON-LD drops silently what its contexts do not define, so what is dropped would not be signed. Here that is an error,
both when signing and when verifying. The contexts are files of this package whose hashes are fixed below; nothing is
ever fetched (certificates.md 11 a, b).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec
from pyld import jsonld
from pyld.canon import URDNA2015

from lernline.errors import BadRequest, LernlineError

CREDENTIALS_V2: Final = "https://www.w3.org/ns/credentials/v2"
OPEN_BADGES_V3: Final = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"

_PINNED: Final[dict[str, tuple[str, str]]] = {
    CREDENTIALS_V2: ("credentials-v2.json", "59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734"),
    OPEN_BADGES_V3: ("open-badges-3.0.3.json", "ef2fa9c7846dce233cc166b43639027278be4ee44f00bb1d45c75de2dd0cd761"),
}
# An empty base makes the library assume one of its own; with this one, what was relative can be told afterwards.
_RELATIVE: Final = "relative-iri:"
_MOST_STEPS: Final = 2_000
_DEEPEST: Final = 40
_IRI: Final = re.compile(r'[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>"{}|\\^`]*')
_UNSIGNABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class ContextDamagedError(LernlineError):
    """A pinned context file is not the one that this release was built with; install the package again."""

    status = 500
    default_code = "CONTEXT_DAMAGED"


class UnsignedContent(BadRequest):
    """Something in the document would not be covered by its signature."""

    default_code = "UNSIGNED_CONTENT"


class _BoundedCanonicalization(URDNA2015):  # type: ignore[misc]
    """RDFC-1.0 that gives up on graphs made to keep it busy (its worst case is factorial)."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def hash_n_degree_quads(self, id_: str, issuer: object) -> Any:
        """Count the expensive step."""
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise UnsignedContent("The document holds too many equal nameless parts to be checked.")
        return super().hash_n_degree_quads(id_, issuer)


@cache
def pinned_context(url: str) -> dict[str, Any]:
    """The context that belongs to a URL, its hash checked.

    Raises:
        UnsignedContent: the URL is not one of the pinned ones.
        ContextDamagedError: the file was changed.
    """
    if url not in _PINNED:
        raise UnsignedContent(f"The context {url} is not one that this release knows; nothing is fetched.")
    name, digest = _PINNED[url]
    raw = (files("lernline.certify") / "contexts" / name).read_bytes()
    if hashlib.sha256(raw).hexdigest() != digest:
        raise ContextDamagedError(
            f"The context file {name} does not have its published hash; install the package again."
        )
    context: dict[str, Any] = msgspec.json.decode(raw)
    return context


def canonical_nquads(document: Mapping[str, Any]) -> str:
    """Canonical form of a JSON-LD document whose contexts are all pinned.

    Raises:
        UnsignedContent: a term is not defined, an identifier is relative, a context is unknown or nested, a value is
            null, or a text holds control characters: whatever the canonical form would not carry.
    """
    expanded = expand_whole(document)
    dataset = jsonld.to_rdf(expanded, {**_OPTIONS, "skipExpansion": True})
    text: str = _BoundedCanonicalization().main(dataset, {"format": "application/n-quads"})
    return text


def expand_whole(document: Mapping[str, Any]) -> list[Any]:
    """Expanded form of a document from which nothing was dropped.

    Raises:
        UnsignedContent: as ``canonical_nquads`` says.
    """
    _refuse_other_contexts(document)
    _refuse_hidden_parts(document)
    dropped: list[object] = []
    try:
        expanded: list[Any] = jsonld.expand(document, dict(_OPTIONS), on_property_dropped=dropped.append)
    except jsonld.JsonLdError as problem:
        raise UnsignedContent("The document is not valid JSON-LD under its contexts.") from problem
    if dropped:
        raise UnsignedContent(f"The term {dropped[0]} is not defined by the contexts and would not be signed.")
    _refuse_relative(expanded)
    return expanded


def refuse_unsignable(name: str, text: str) -> None:
    """Refuse a text with characters whose canonical form differs between libraries.

    Raises:
        UnsignedContent: it holds a control character or half a surrogate pair.
    """
    if _UNSIGNABLE.search(text):
        raise UnsignedContent(f"{name} holds a control character.")


def _load(url: str, _options: object = None) -> dict[str, Any]:
    return {
        "contextUrl": None,
        "documentUrl": url,
        "contentType": "application/ld+json",
        "document": pinned_context(url),
    }


_OPTIONS: Final = {"documentLoader": _load, "base": f"{_RELATIVE}//invalid/"}


def _refuse_other_contexts(document: Mapping[str, Any]) -> None:
    contexts = document.get("@context")
    if not isinstance(contexts, list) or not contexts or contexts[0] != CREDENTIALS_V2:
        raise UnsignedContent(f"The document's @context must be a list that begins with {CREDENTIALS_V2}.")
    for url in contexts:
        if not isinstance(url, str):
            raise UnsignedContent("An inline @context could give known words another meaning; only URLs are accepted.")
        pinned_context(url)


def _refuse_hidden_parts(document: Mapping[str, Any]) -> None:
    pending: list[tuple[int, str, object]] = [(1, key, value) for key, value in document.items() if key != "@context"]
    while pending:
        depth, key, value = pending.pop()
        if depth > _DEEPEST:
            raise UnsignedContent(f"The document is nested more than {_DEEPEST} levels deep.")
        if key.startswith("@"):
            raise UnsignedContent(f"{key} may not stand inside the document.")
        if value is None:
            raise UnsignedContent(f"{key} is null, which cannot be signed; leave it out.")
        if isinstance(value, str):
            refuse_unsignable(key, value)
        if isinstance(value, Mapping):
            pending += [(depth + 1, inner, item) for inner, item in value.items()]
        elif isinstance(value, list):
            pending += [(depth + 1, key, item) for item in value]


def _refuse_relative(expanded: object) -> None:
    """Relative identifiers and types mean something else to every reader, or vanish."""
    pending: list[object] = [expanded]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending += part
        elif isinstance(part, dict):
            for key, value in part.items():
                if key in {"@id", "@type"}:
                    for name in value if isinstance(value, list) else [value]:
                        if _IRI.fullmatch(name) is None or name.startswith(_RELATIVE):
                            shown = name.removeprefix(f"{_RELATIVE}//invalid/")
                            raise UnsignedContent(f"{shown!r} is not an absolute identifier and would not be signed.")
                else:
                    pending.append(value)
