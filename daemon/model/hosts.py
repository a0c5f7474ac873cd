"""Hosts of URLs: the spelling that DNS has, and hosts that no request can reach. Pure; no name is looked up."""

import ipaddress
import re

import idna

_NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.|$))+(?<!\.)")
_NUMBERS = re.compile(r"[0-9.]+")


def in_ascii(host: str) -> str:
    """Return a host as DNS has it; one that DNS cannot have is returned as it is."""
    try:
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return host


def is_host(host: str) -> bool:
    """Return True for an IP address, and for a name that DNS can have: no other host can be called."""
    try:
        if ":" in host or _NUMBERS.fullmatch(host):
            return "%" not in host and bool(ipaddress.ip_address(host))
        for part in host.split("."):
            if part.startswith("xn--"):
                idna.decode(part)
    except ValueError:  # that of idna is one too
        return False
    return bool(_NAME.fullmatch(host))


def is_inside(host: str) -> bool:
    """Return True for a host on this machine or in a private network."""
    host = host.rstrip(".").lower()
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal", ".localdomain", ".home.arpa"))
