"""The two envelopes that answers come in (rest-api.md 1.1 and 7), written as bytes."""

from __future__ import annotations

import time
import uuid
from typing import Any

import msgspec

from lernline.times import format_iso, format_time

RESPONSE_CODES = {
    200: "OK",
    400: "CLIENT_ERROR",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "RESOURCE_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    413: "REQUEST_TOO_LARGE",
    429: "TOO_MANY_REQUESTS",
    500: "SERVER_ERROR",
    503: "SERVICE_UNAVAILABLE",
}

encode = msgspec.json.Encoder().encode


class _Stamp:
    """The current time in the contract's form; the part down to the second is written once per second."""

    def __init__(self) -> None:
        self._second = -1
        self._prefix = ""

    def now(self) -> str:
        millis = time.time_ns() // 1_000_000
        second = millis // 1000
        if second != self._second:
            self._prefix = format_time(second * 1000)[:20]
            self._second = second
        return f"{self._prefix}{millis % 1000:03d}+0000"


_stamp = _Stamp()


def api_id(path: str) -> str:
    """``api.`` and the alphabetic segments: ``/v1/course/batch/read/01`` is ``api.course.batch.read``."""
    segments = [part for part in path.split("/") if part and part != "private"]
    if path.rstrip("/") == "/health":
        return "api.all.health"
    return ".".join(["api", *(part for part in segments if part.isascii() and part.isalpha())])


def api_version(path: str) -> str:
    """The version segment of a service path, ``v1`` where it has none."""
    for part in path.split("/"):
        if len(part) > 1 and part[0] == "v" and part[1:].isdigit():
            return part
    return "v1"


class LmsEnvelope:
    """The learning service's envelope, for one route."""

    media_type = b"application/json"

    def __init__(self, path: str) -> None:
        head = encode({"id": api_id(path), "ver": api_version(path)})[:-1]
        self._head = head.decode() + ',"ts":"'

    def success(self, result: Any, msgid: str) -> bytes:
        """200 with a result; ``msgspec.Raw`` inside goes out as it is."""
        return b"".join(
            (
                f'{self._head}{_stamp.now()}","params":{{"resmsgid":null,"msgid":'.encode(),
                encode(msgid),
                b',"err":null,"status":"success","errmsg":null},"responseCode":"OK","result":',
                encode(result),
                b"}",
            )
        )

    def failure(self, status: int, code: str, message: str, msgid: str, result: Any = None) -> bytes:
        """A refusal: ``params.err`` is a stable code, ``errmsg`` a sentence (ruling 35)."""
        params = {"resmsgid": None, "msgid": msgid, "err": code, "status": code, "errmsg": message}
        rest = {"params": params, "responseCode": RESPONSE_CODES.get(status, "CLIENT_ERROR"), "result": result or {}}
        return f'{self._head}{_stamp.now()}",'.encode() + encode(rest)[1:]


class DatasetEnvelope:
    """The dataset API's own envelope (rest-api.md 7), for one route."""

    media_type = b"application/json"

    def __init__(self, identifier: str) -> None:
        self._id = identifier

    def success(self, result: Any, msgid: str) -> bytes:
        """200 with a result."""
        return self._whole(200, None, None, msgid, result)

    def failure(self, status: int, code: str, message: str, msgid: str, result: Any = None) -> bytes:
        """A refusal."""
        return self._whole(status, code, message, msgid, result or {})

    def _whole(self, status: int, code: str | None, message: str | None, msgid: str, result: Any) -> bytes:
        params = {
            "resmsgid": str(uuid.uuid4()),
            "msgid": msgid,
            "err": code,
            "status": "successful" if code is None else "failed",
            "errmsg": message,
            "client_key": None,
        }
        return encode(
            {
                "id": self._id,
                "ver": "1.0",
                "ts": format_iso(time.time_ns() // 1_000_000).replace("Z", "+00:00"),
                "params": params,
                "responseCode": RESPONSE_CODES.get(status, "CLIENT_ERROR"),
                "result": result,
            }
        )


Envelope = LmsEnvelope | DatasetEnvelope
