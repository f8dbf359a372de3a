"""The command line's way to the running daemon: its HTTP API on loopback, with the bearer token from a file."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import typer

from acd.cli.endpoint import EndpointError, find

T = TypeVar("T")
TIMEOUT_S = 5.0


class ApiError(Exception):
    """The daemon did not give what was asked; `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Api:
    """Where the daemon listens and how to get in."""

    url: str
    token: str = ""
    verify: ssl.SSLContext | bool = True
    transport: httpx.BaseTransport | None = None

    def get(self, path: str, **query: str | int) -> Any:
        """Return the JSON answer of a GET.

        Raises:
            ApiError: not running, refused, unknown, or an answer that is no JSON.
        """
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: dict[str, object]) -> Any:
        """Return the JSON answer of a POST. Raises ApiError as `get` does, and when the deed is not possible now."""
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            with httpx.Client(
                timeout=TIMEOUT_S, transport=self.transport, verify=self.verify, trust_env=False
            ) as client:
                url = f"{self.url.rstrip('/')}/api/v1{path}"
                answer = client.request(method, url, headers=headers, **more)
        except httpx.ConnectError as error:
            raise ApiError(
                f"the daemon does not answer at {self.url}",
                "start it with `bin/acd run`, or name another address with --url; Asterisk serves callers meanwhile, "
                "see config/troubles.md",
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApiError(
                f"no proper answer from {self.url}: {type(error).__name__}", "look into the daemon's log"
            ) from error
        return _content(answer, self.url)


def _content(answer: httpx.Response, url: str) -> Any:
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise ApiError("the daemon refuses the token", "name the file it was started with: --token-file")
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise ApiError(
            _detail(answer, "not found"), "`bin/acd calls` lists live calls, `bin/acd callbacks` what is owed"
        )
    if answer.status_code == httpx.codes.CONFLICT:
        raise ApiError(_detail(answer), "`bin/acd callbacks --all` shows how it stands")
    if answer.status_code != httpx.codes.OK:
        raise ApiError(f"the daemon answers {answer.status_code}", "look into the daemon's log")
    try:
        return answer.json()
    except ValueError as error:
        raise ApiError(f"{url} does not speak our API", "is another service on that port?") from error


def _detail(answer: httpx.Response, otherwise: str = "the daemon says it cannot be done now") -> str:
    """Return why the daemon refuses, in its own words."""
    try:
        return str(answer.json()["detail"])[:300]
    except (ValueError, KeyError, TypeError):
        return otherwise


def segment(text: str) -> str:
    """Return a value as one segment of an URL path."""
    return quote(text, safe="")


def connect(config: Path, url: str | None, token_file: Path | None) -> Api:
    """Find the daemon: options first, else the configuration says where it listens.

    Raises:
        ApiError: the configuration or the token file cannot be read.
    """
    try:
        endpoint = find(config, url, token_file)
        return Api(endpoint.url, _token(endpoint.token_file), endpoint.verify())
    except EndpointError as error:
        raise ApiError(str(error), "mend the configuration, or give --url and --token-file") from error


def _token(path: Path | None) -> str:
    if path is None or not path.exists():
        return ""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ApiError(
            f"token file {path} cannot be read", "run as the daemon's user, or use --token-file"
        ) from error


def asked(work: Callable[[], T]) -> T:
    """Return what the daemon answers; raises the exit of a command, told why, when it does not."""
    try:
        return work()
    except ApiError as error:
        raise fail(error) from error


def fail(error: ApiError) -> typer.Exit:
    """Say what went wrong and what to do; returns the exit to raise."""
    typer.echo(f"acd: {error}\nWhat to do: {error.hint}", err=True)
    return typer.Exit(1)
