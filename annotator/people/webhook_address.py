"""Which addresses webhooks may reach: none of this machine and none of a private network, unless the operator says so.

Whoever manages a project chooses a webhook's address, and must not be able to reach with it what only this machine can.
"""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from annotator.errors import ForbiddenError, InputError, UpstreamError

MAX_URL = 2000

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect. The connection goes to the address that was looked at, and not to the name a second time, since
    the name may mean another one by then.

    Args:
        url: with the address in the place of the host.
        host_header: host and port as the webhook's URL has them.
        host: whose certificate is expected.
    """

    url: str
    host_header: str
    host: str


def check_url(url: str, private_hosts: Sequence[str]) -> SplitResult:
    """Refuses what can be refused without asking for the host's address.

    Raises:
        InputError: says what would be right.
    """
    if len(url) > MAX_URL or any(sign.isspace() or ord(sign) < 0x20 for sign in url):
        raise InputError(f"a webhook's address has at most {MAX_URL} characters and no spaces", param="url")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InputError("this is no address; it should look like https://example.org/hook", param="url") from None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or parts.fragment:
        raise InputError("a webhook's address should look like https://example.org/hook", param="url")
    if _is_allowed(host, private_hosts):
        return parts
    if parts.scheme != "https":
        raise InputError("a webhook's address begins with https://, or what happens here could be read", param="url")
    literal = _literal(host)
    if literal is not None and (reason := refusal(literal)):
        raise InputError(f"{host} {reason}; the operator can allow it with --webhook-private-host", param="url")
    return parts


def find_target(url: str, private_hosts: Sequence[str]) -> Target:
    """Looks a webhook's host up. All of its addresses must be allowed, since any of them may be used.

    Raises:
        ForbiddenError: an address that may not be reached.
        UpstreamError: the host has none.
    """
    try:
        parts = check_url(url, private_hosts)
    except InputError as error:
        raise ForbiddenError(error.message) from None
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise UpstreamError(f"{host} has no address") from None
    addresses = [ipaddress.ip_address(str(item[4][0]).partition("%")[0]) for item in found]
    for address in addresses:
        if not _is_allowed(host, private_hosts) and (reason := refusal(address)):
            raise ForbiddenError(f"{host} is at {address}, which {reason}")
    first = addresses[0]
    shown = f"[{first}]" if first.version == 6 else str(first)
    return Target(
        url=parts._replace(netloc=f"{shown}:{port}").geturl(),
        host_header=parts.netloc,
        host=host,
    )


def refusal(address: Address) -> str:
    """Why an address may not be reached; empty when it may."""
    address = _unwrapped(address)
    if not address.is_global or address.is_multicast or address.is_reserved:
        return "is this machine or in a private network"
    return "is this machine" if _is_own(address) else ""


def _is_allowed(host: str, private_hosts: Sequence[str]) -> bool:
    return host in {allowed.lower() for allowed in private_hosts}


def _literal(host: str) -> Address | None:
    try:
        # Also what browsers and C libraries take for an address: 127.1, 0x7f000001, 2130706433.
        return ipaddress.ip_address(socket.inet_ntoa(socket.inet_aton(host)))
    except (OSError, ValueError, UnicodeError):
        pass
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only carries it."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address


def _is_own(address: Address) -> bool:
    """Whether a public address is one of this machine's: only those can be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
