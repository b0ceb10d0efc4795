"""``verify``, ``certificate`` and ``rotate-key``: check a certificate, take one out of the store, change the key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lernline.commands.options import Data, Json, Sets
from lernline.commands.session import open_line, settings_from, show, show_json
from lernline.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from lernline.certify.keys import VerificationKey


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(verify)
    app.command()(certificate)
    app.command()(rotate_key)


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A certificate: the JSON of a verifiable credential.")],
    data: Data = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Check a certificate's signature and form offline. With --data the issuer's keys of that folder are trusted."""
    document = _read(file)
    from lernline.certify.verification import verify_credential  # noqa: PLC0415
    from lernline.clock import SystemClock  # noqa: PLC0415

    trusted = _own_keys(data, sets)
    report = verify_credential(document, now_ms=SystemClock().now_ms(), trusted=trusted)
    if as_json:
        show_json({"valid": report.valid, "issuerKnown": report.issuer_known, "checks": report.checks})
    else:
        for line in report.lines():
            show(line)
        show(f"{file.name} is {'valid' if report.valid else 'NOT valid'}.")
    if not report.valid:
        raise typer.Exit(1)


def certificate(
    number: Annotated[str, typer.Argument(metavar="ID", help="Id of the certificate, as `explain` shows it.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="File for the signed JSON; default: printed.", show_default=False)
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="File for its picture, with a QR code.", show_default=False)
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(
            "--template", help="SVG template of the picture; default: Lernline's own plain one.", show_default=False
        ),
    ] = None,
    data: Data = None,
    sets: Sets = None,
) -> None:
    """Take one certificate out of the store: the signed JSON, and its picture where asked for."""
    drawing = None if template is None else _read(template)
    with open_line(settings_from(data, sets)) as line:
        credential = line.store.credential(number.removeprefix("urn:uuid:"))
        if credential is None:
            raise NotFound(f"there is no certificate {number} here; `lernline explain` names a learner's certificates")
        picture = b"" if svg is None else line.picture(credential, drawing)
    if svg is not None:
        _write(svg, picture)
        show(f"picture: {svg}")
    if out is not None:
        _write(out, credential.document)
        show(f"certificate: {out}")
    elif svg is None:
        show(credential.document.decode())


def rotate_key(data: Data = None, sets: Sets = None) -> None:
    """Make a new signing key. It signs once the workers have been started again; the old ones stay trusted."""
    from lernline.certify import keys  # noqa: PLC0415

    settings = settings_from(data, sets)
    folder = settings.keys / "issuer"
    domain = settings.certificate_domain or None
    keys.load_or_create_keys(folder, domain)
    number = keys.rotate_key(folder)
    current = keys.load_or_create_keys(folder, domain).current.verification
    show(f"key-{number}.pem signs from the next start on, as {current.id}.")


def _own_keys(data: Path | None, sets: list[str] | None) -> tuple[VerificationKey, ...]:
    """All public keys of this installation, retired ones too; nothing is made for a mere check."""
    settings = settings_from(data, sets)
    folder = settings.keys / "issuer"
    if not folder.is_dir() or not any(folder.iterdir()):
        return ()
    from lernline.certify.keys import load_or_create_keys  # noqa: PLC0415

    return load_or_create_keys(folder, settings.certificate_domain or None).trusted


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise BadRequest(f"{path}: the file cannot be read ({problem.strerror})") from problem


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as problem:
        raise BadRequest(f"{path}: the file cannot be written ({problem.strerror})") from problem
