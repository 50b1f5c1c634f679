"""
POST to an address that somebody entered: signed, bounded in time and bytes, and never to the inside of a network.

The address is judged at the socket: libcurl resolves a host once and asks here about each address before it connects to
that very one, so a name that resolves to another one a moment later gains nothing. No redirect is followed, and no
proxy of the environment is used.
"""

from __future__ import annotations

import ipaddress
import socket
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pycurl
from botocore.httpsession import get_cert_path
from standardwebhooks import Webhook

#: Of one POST, the resolver and all of the answer included.
TIMEOUT_S = 4.0
#: Bytes of an answer that are read; nobody uses them.
MAX_ANSWER = 4_096
#: Networks within addresses of IPv6 that lead to one of IPv4. Source: RFC 6052.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class WebhookFailed(Exception):
    """The webhook did not take the message; `for_good`: nor will it, however often it is sent."""

    def __init__(self, reason: str, *, for_good: bool = False) -> None:
        super().__init__(reason)
        self.for_good = for_good


def flaw_of(url: str, *, allow_private: bool) -> str:
    """Return what is wrong with the address of a webhook, as far as it shows by itself; "" for nothing."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 # raises where it is none
    except ValueError:
        return "must be an address, as https://hooks.example.org/cans"
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        return "must begin with https://"
    if not parts.hostname or parts.username is not None or any(ord(one) <= 32 or ord(one) > 126 for one in url):
        return "must be https://, a host and a path, without a user, a space or another character than ASCII"
    try:
        address = ipaddress.ip_address(parts.hostname)
    except ValueError:
        return ""
    return "" if allow_private or is_public(str(address)) else "must not lead to a private address"


def is_public(address: str) -> bool:
    """Say whether an IP address, as text, is one of the public network, and so is any that it contains."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        if found.teredo or (inner is not None and not is_public(str(inner))):
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def post(url: str, secret: str, message_id: str, body: str, now: datetime, *, allow_private: bool = False) -> None:
    """
    POST a JSON text, signed as Standard Webhooks describes; return once the receiver has answered 2xx.

    secret: as `whsec_` and base64. message_id: the same each time that the message is sent.
    Raises WebhookFailed after TIMEOUT_S at the latest.
    """
    if flaw := flaw_of(url, allow_private=allow_private):
        raise WebhookFailed(f"its address {flaw}", for_good=True)
    refused, opened = list[str](), list[socket.socket]()

    def open_socket(_purpose: int, where: Any) -> Any:
        family, kind, protocol, address = where
        if not allow_private and not is_public(address[0]):
            refused.append(address[0])
            return pycurl.SOCKET_BAD
        # libcurl works on a copy of its descriptor.
        opened.append(socket.socket(family, kind, protocol))
        return opened[-1]

    read = 0

    def take(data: bytes) -> int:
        nonlocal read
        read += len(data)
        # Less than was given ends the transfer: the status is known by then.
        return len(data) if read <= MAX_ANSWER else 0

    curl = pycurl.Curl()
    try:
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTPS | (pycurl.PROTO_HTTP if allow_private else 0))
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.CAINFO, get_cert_path(True))
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.TIMEOUT_MS, int(TIMEOUT_S * 1000))
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(TIMEOUT_S * 500))
        curl.setopt(pycurl.OPENSOCKETFUNCTION, open_socket)
        curl.setopt(pycurl.WRITEFUNCTION, take)
        curl.setopt(pycurl.POSTFIELDS, body.encode())
        curl.setopt(
            pycurl.HTTPHEADER,
            [
                "Content-Type: application/json",
                "User-Agent: trashsite",
                "Expect:",
                f"webhook-id: {message_id}",
                f"webhook-timestamp: {int(now.timestamp())}",
                f"webhook-signature: {Webhook(secret).sign(message_id, now, body)}",
            ],
        )
        try:
            curl.perform()
        except pycurl.error as error:
            if refused:
                raise WebhookFailed(f"its host leads to the private address {refused[0]}", for_good=True) from error
            if error.args[0] != pycurl.E_WRITE_ERROR:
                raise WebhookFailed(str(error.args[-1])) from error
        status = curl.getinfo(pycurl.RESPONSE_CODE)
    finally:
        curl.close()
        for each in opened:
            each.close()
    if not 200 <= status < 300:
        # Source: Standard Webhooks: 410 says that the receiver is gone.
        raise WebhookFailed(f"it answered {status}", for_good=status == 410)
