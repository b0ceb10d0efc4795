"""A random key in a file of its own, made once, whoever comes first."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

_BYTES = 32


def secret_from(path: Path) -> bytes:
    """The 32 bytes in ``path``; when there is no such file it is made, readable by its owner alone.

    Several processes may ask at once: the file appears whole, and all get the same bytes.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # when another process was first, its key counts
                os.link(draft, path)
        finally:
            Path(draft).unlink()
    content = path.read_bytes()
    if len(content) != _BYTES:
        raise ValueError(f"{path.name} does not hold a key of {_BYTES} bytes; restore it from a copy or remove it")
    return content
