"""The document says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import acd.adapters.http
from acd import topics
from acd.adapters.http.app import create_app
from acd.adapters.http.services import HttpSettings
from tests.adapters.edges_help import ACL
from tests.adapters.http.http_help import World

TEXT = (Path(acd.adapters.http.__file__).parent / "README.md").read_text(encoding="utf-8")


def test_document_lists_exactly_the_routes_there_are():
    told = set(re.findall(r"`(GET|POST|PUT) (/[^`]*)`", TEXT))
    app = create_app(World().services(), HttpSettings())
    there = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    assert told == there


def test_documented_rights_are_the_ones_tested_on_mosquitto():
    assert ACL in TEXT


def test_every_schema_and_topic_is_in_the_document():
    for name in topics.SCHEMAS:
        assert f"`{name}.json`" in TEXT
    for topic in (topics.SNAPSHOT, topics.STATUS, topics.agent_topic("<id>", "pop")):
        assert f"`{topic}`" in TEXT
