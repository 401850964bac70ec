"""Which connections of clients are open right now, as Linux tells (proc(5), /proc/net/tcp)."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))

_ESTABLISHED = "01"


def can_be_seen() -> bool:
    """Whether this system tells."""
    return TABLES[0].exists()


def open_connections(port: int) -> frozenset[str]:
    """The addresses, as `host:port`, that have a connection to our `port` which is open."""
    return frozenset(peer for table in TABLES if table.exists() for peer in _peers(table, port))


def _peers(table: Path, port: int) -> Iterator[str]:
    for line in table.read_text().splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        if state == _ESTABLISHED and int(local.rpartition(":")[2], 16) == port:
            yield _address(remote)


def _address(written: str) -> str:
    """An address in hexadecimal, each four bytes of it in the order of a little-endian machine."""
    host, _, port = written.partition(":")
    packed = b"".join(bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8))
    return f"{ipaddress.ip_address(packed)}:{int(port, 16)}"
