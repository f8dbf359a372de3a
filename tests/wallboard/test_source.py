"""Frames over HTTP: every way of not getting one is the same kind of error, said in words."""

import httpx
import pytest

from acd.snapshot_json import encode
from acd.wallboard.source import HttpSource, SourceError
from tests.wallboard.board_help import frame


def source(handler, token_file=None):
    return HttpSource("http://127.0.0.1:1", token_file, httpx.MockTransport(handler))


async def test_a_frame_comes_with_the_token_of_the_file(tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret\n")

    def handler(request):
        assert request.url.path == "/api/v1/snapshot"
        assert request.headers["authorization"] == "Bearer s3cret"
        return httpx.Response(200, json=encode(frame().snapshot, frame().labels))

    asked = source(handler, token)
    assert await asked() == frame()
    await asked.close()


async def test_a_replaced_token_is_read_again_after_a_refusal(tmp_path):
    token = tmp_path / "token"
    token.write_text("old")

    def handler(request):
        good = request.headers["authorization"] == "Bearer new"
        return httpx.Response(200, json=encode(frame().snapshot)) if good else httpx.Response(401)

    asked = source(handler, token)
    with pytest.raises(SourceError, match="refuses the token"):
        await asked()
    token.write_text("new")
    assert (await asked()).snapshot == frame().snapshot
    await asked.close()


def refuse(_request):
    raise httpx.ConnectError("refused")


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (refuse, "ConnectError"),
        (lambda _: httpx.Response(500, text="oops"), "answers 500"),
        (lambda _: httpx.Response(200, text="<html>"), "not a snapshot"),
        (lambda _: httpx.Response(200, json={"v": 99}), "version '99'"),
        (lambda _: httpx.Response(200, text="[" * 100_000), "not a snapshot"),
    ],
)
async def test_every_way_of_getting_no_frame_is_one_kind_of_error(handler, said):
    asked = source(handler)
    with pytest.raises(SourceError, match=said):
        await asked()
    await asked.close()


async def test_an_unreadable_token_file_is_said(tmp_path):
    asked = source(refuse, tmp_path / "missing")
    with pytest.raises(SourceError, match="token file"):
        await asked()
    await asked.close()
