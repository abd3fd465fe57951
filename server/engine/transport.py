"""Messages over a local socket: msgpack in length-prefixed frames, never pickle.

A frame is a uint32 (little-endian, bytes that follow it), one byte that names the record's type, and the
record as msgpack. The type byte stands outside because msgspec cannot tell dataclasses of a union apart.

The socket is one half of a `socketpair` that the core process inherits. It has no name in the file system, so
nobody else can connect and nothing is left behind, and the death of either side is end of file at the other.
"""

import select
import socket
import struct
import time

import msgspec

from server.engine.request import (
    Abort,
    EngineRequest,
    Failed,
    FromCore,
    Inspect,
    Inspection,
    Profile,
    Profiled,
    Ready,
    ResetPrefixCache,
    Shutdown,
    StepOutputs,
    ToCore,
)

Message = ToCore | FromCore

_TYPES: tuple[type, ...] = (
    EngineRequest,
    Abort,
    ResetPrefixCache,
    Inspect,
    Profile,
    Shutdown,
    StepOutputs,
    Inspection,
    Profiled,
    Ready,
    Failed,
)
_KINDS = {record: kind for kind, record in enumerate(_TYPES)}
_ENCODER = msgspec.msgpack.Encoder()
_DECODERS: tuple[msgspec.msgpack.Decoder[Message], ...] = tuple(msgspec.msgpack.Decoder(record) for record in _TYPES)
_HEADER = struct.Struct("<IB")
_LENGTH_BYTES = 4
_READ_BYTES = 1 << 18


def encode(message: Message) -> bytes:
    """One frame.

    Raises:
        UnicodeEncodeError: a string holds lone surrogates.
        OverflowError: an integer needs more than 64 bits.
    """
    payload = _ENCODER.encode(message)
    return _HEADER.pack(len(payload) + 1, _KINDS[type(message)]) + payload


class FrameReader:
    """Turns a byte stream, cut anywhere, back into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes, in order.

        Raises:
            msgspec.DecodeError: the bytes are no frames of this version.
        """
        self._buffer += data
        messages: list[Message] = []
        start = 0
        while len(self._buffer) - start >= _HEADER.size:
            length, kind = _HEADER.unpack_from(self._buffer, start)
            end = start + _LENGTH_BYTES + length
            if end > len(self._buffer):
                break
            if kind >= len(_DECODERS):
                raise msgspec.DecodeError(f"unknown message type {kind}")
            messages.append(_DECODERS[kind].decode(self._buffer[start + _HEADER.size : end]))
            start = end
        del self._buffer[:start]
        return messages


class Channel:
    """The core's end: never blocks a step on a busy reader, waits for messages only when told to.

    What the socket does not take at once is kept and sent later, so that a stalled API process cannot stall
    the device.

    Args:
        sock: a connected stream socket; the channel owns it from here on.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._reader = FrameReader()
        self._unsent = bytearray()
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def receive(self, timeout_s: float) -> list[Message]:
        """All messages that have come, after waiting up to `timeout_s` for the first.

        A `Shutdown` ends the list when the other side is gone.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            self.flush()
            messages = self.read()
            left_s = deadline_s - time.monotonic()
            if messages or left_s <= 0:
                return messages
            self._poll.modify(self._sock, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            self._poll.poll(left_s * 1000)

    def send(self, message: Message) -> None:
        self._unsent += encode(message)
        self.flush()

    def close(self, timeout_s: float) -> None:
        """Sends what is left, for at most `timeout_s`, and closes the socket."""
        self._sock.settimeout(timeout_s)
        try:
            self._sock.sendall(self._unsent)
        except OSError:
            pass  # The reader is gone or stuck: nobody is left to tell.
        finally:
            self._sock.close()

    def read(self) -> list[Message]:
        """All messages that have come; a `Shutdown` ends the list when the other side is gone."""
        messages: list[Message] = []
        while True:
            try:
                data = self._sock.recv(_READ_BYTES)
            except BlockingIOError:
                return messages
            except ConnectionError:
                data = b""
            if not data:
                return [*messages, Shutdown()]
            messages += self._reader.feed(data)

    def flush(self) -> None:
        """Sends what the socket takes of what it has not taken yet."""
        if not self._unsent:
            return
        try:
            sent = self._sock.send(self._unsent)
        except BlockingIOError:
            return
        except ConnectionError:
            # The next read sees the end of file and says so in order.
            sent = len(self._unsent)
        del self._unsent[:sent]
