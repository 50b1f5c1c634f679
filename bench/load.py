"""
Sends requests where wrk is not installed; takes the same arguments as far as the bench uses them, and prints the same.

    python -m bench.load -c 8 -d 8s http://127.0.0.1:8000 -- 500
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from urllib.parse import urlsplit


async def ask(host: str, port: int, cans: int, until: float) -> tuple[int, int]:
    """Ask over one connection, one request after the other; return how many were answered, and how many not by 2xx."""
    reader, writer = await asyncio.open_connection(host, port)
    answered = wrong = 0
    while time.monotonic() < until:
        writer.write(f"GET /reports/{random.randint(1, cans)} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        answered += 1
        wrong += head.split()[1][:1] != b"2"
    writer.close()
    return answered, wrong


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-c", type=int, dest="connections")
    parser.add_argument("-d", type=lambda text: float(text.rstrip("s")), dest="seconds")
    parser.add_argument("url", type=urlsplit)
    parser.add_argument("cans", type=int)
    given = parser.parse_args()
    started = time.monotonic()
    asking = [
        ask(given.url.hostname, given.url.port, given.cans, started + given.seconds) for _ in range(given.connections)
    ]
    results = await asyncio.gather(*asking)
    print(f"{sum(answered for answered, _ in results)} requests in {time.monotonic() - started:.2f}s")
    if wrong := sum(wrong for _, wrong in results):
        print(f"Non-2xx responses: {wrong}")


if __name__ == "__main__":
    asyncio.run(main())
