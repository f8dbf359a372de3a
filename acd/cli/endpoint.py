"""Where the running daemon listens and how to trust it: command line options first, else the configuration."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from acd.config.loading import Config

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # seen from this machine


class EndpointError(Exception):
    """The configuration cannot be read, and the options do not replace it."""


@dataclass(frozen=True)
class Endpoint:
    """An address of the daemon's HTTP API."""

    url: str
    token_file: Path | None = None
    certificate: Path | None = None
    """The daemon's own certificate, trusted as it stands: it is the configured one."""

    def verify(self) -> ssl.SSLContext | bool:
        """Return what httpx wants to know about trust.

        Raises:
            EndpointError: the certificate cannot be read.
        """
        if self.certificate is None:
            return True
        context = ssl.create_default_context()
        # the file itself is pinned, so the name in it (the public one) need not be 127.0.0.1
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(cafile=self.certificate)
        except (OSError, ssl.SSLError) as error:
            raise EndpointError(f"certificate {self.certificate} cannot be read: {error}") from error
        return context


def checked(url: str) -> str:
    """Return an address that can be asked; raises EndpointError for anything else."""
    try:
        parts = urlsplit(url)
        possible = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port beyond 65535, a broken IPv6 address
        possible = False
    if not possible:
        raise EndpointError(f"{url!r} is no address of the form http://host:port")
    return url.rstrip("/")


def of_config(config: Config) -> Endpoint:
    """Return where a configuration says the daemon listens, as seen from this machine."""
    http = config.tree.http
    host = _EVERYWHERE.get(http.host, http.host)
    shown = f"[{host}]" if ":" in host else host
    return Endpoint(
        f"{'https' if http.certificate else 'http'}://{shown}:{http.port}",
        http.token.path(config.state_dir),
        config.path(http.certificate) if http.certificate else None,
    )


def find(directory: Path, url: str | None, token_file: Path | None) -> Endpoint:
    """Return the endpoint; options win over the configuration, which is not needed when `url` is given.

    Raises:
        EndpointError: no address: the option is none, or the configuration is wrong.
    """
    from acd.config.loading import load
    from acd.config.strict_yaml import ConfigError

    try:
        found = of_config(load(directory))
    except ConfigError as error:
        if url is None:
            raise EndpointError(str(error)) from error
        found = Endpoint(checked(url))
    if url is not None:
        url = checked(url)
        found = replace(found, url=url, certificate=found.certificate if url == found.url else None)
    return replace(found, token_file=token_file) if token_file else found
