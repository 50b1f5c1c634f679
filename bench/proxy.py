"""
A proxy in front of a local server: it delays each answer, or asks DynamoDB what a request consumed and adds it up.

    python -m bench.proxy UPSTREAM_PORT [--delay-ms 8] [--capacity]

Prints the port that it listens on, and at SIGTERM, with --capacity, the write and read units as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
from asyncio import StreamReader, StreamWriter
from collections import Counter
from contextlib import suppress

WRITES = frozenset(
    {"BatchWriteItem", "BatchExecuteStatement", "TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem"}
)
READS = frozenset({"BatchGetItem", "GetItem", "Query", "Scan"})
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_TARGET = re.compile(rb"\r\nx-amz-target:\s*[^.\r]*\.(\w+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:\s*chunked", re.IGNORECASE)


class Proxy:
    """Passes HTTP/1.1 on, one request of a connection after the other."""

    def __init__(self, upstream: int, delay_s: float, *, capacity: bool) -> None:
        self.upstream = upstream
        self.delay_s = delay_s
        self.capacity = capacity
        self.requests: Counter[str] = Counter()
        self.write_units = self.read_units = 0.0
        #: Requests whose answer did not say what they consumed.
        self.unknown = 0

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Answer one client, through a connection of its own, until either side ends it."""
        behind, ahead = await asyncio.open_connection("127.0.0.1", self.upstream, limit=2**24)
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head, body = await _message(reader)
                operation = _TARGET.search(head)
                name = operation[1].decode() if operation else "?"
                self.requests[name] += 1
                asked = self.capacity and (name in WRITES or name in READS)
                if asked:
                    body = b'{"ReturnConsumedCapacity":"TOTAL",' + body.lstrip()[1:]
                    head = _LENGTH.sub(b"\r\nContent-Length: %d" % len(body), head)
                ahead.write(head + body)
                head, body = await _message(behind)
                if asked:
                    self._add_up(name, body)
                # Only the answer is delayed: that delays the round trip as much, and requests in flight do not wait.
                await asyncio.sleep(self.delay_s)
                writer.write(head + body)
        for end in (ahead, writer):
            end.close()

    def _add_up(self, operation: str, body: bytes) -> None:
        consumed = json.loads(body).get("ConsumedCapacity")
        if consumed is None:
            self.unknown += 1
            return
        units = sum(each["CapacityUnits"] for each in (consumed if isinstance(consumed, list) else [consumed]))
        if operation in WRITES:
            self.write_units += units
        else:
            self.read_units += units


async def _message(reader: StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    if _CHUNKED.search(head):
        body = b""
        while not body.endswith(b"\r\n0\r\n\r\n") and body != b"0\r\n\r\n":
            line = await reader.readuntil(b"\r\n")
            body += line + await reader.readexactly(int(line, 16) + 2)
        return head, body
    length = _LENGTH.search(head)
    return head, await reader.readexactly(int(length[1])) if length else b""


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("upstream", type=int)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--capacity", action="store_true")
    arguments = parser.parse_args()
    proxy = Proxy(arguments.upstream, arguments.delay_ms / 1000, capacity=arguments.capacity)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=2**24)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    units = {"write_units": proxy.write_units, "read_units": proxy.read_units}
    print(json.dumps({**units, "unknown": proxy.unknown, "requests": proxy.requests}))


if __name__ == "__main__":
    asyncio.run(main())
