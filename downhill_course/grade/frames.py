"""Frames: four bytes of length, then JSON. The only thing that crosses the wall between the grader and an answer."""

from __future__ import annotations

import json
import struct

LIMIT = 8_000_000  # bytes of one frame


class Broken(Exception):
    """The other side sent something that is no frame, or nothing more."""


def pack(message: object) -> bytes:
    """The bytes of a frame; what is too long is an error, not a cut."""
    body = json.dumps(message, separators=(",", ":")).encode()
    if len(body) > LIMIT:
        raise Broken(f"a frame of {len(body)} bytes: at most {LIMIT} are sent")
    return struct.pack(">I", len(body)) + body


def length(head: bytes) -> int:
    """The length that the first four bytes announce."""
    (size,) = struct.unpack(">I", head)
    if size > LIMIT:
        raise Broken(f"a frame of {size} bytes was announced: at most {LIMIT} are read")
    return size


def unpack(body: bytes) -> dict:
    """The message of a frame: a JSON object, whatever else the bytes may hold."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise Broken("a frame that is not JSON") from None
    if not isinstance(message, dict):
        raise Broken("a frame that is not an object")
    return message
