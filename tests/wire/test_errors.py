"""Two faults, one base, nothing else."""

from __future__ import annotations

from acd.wire.errors import LocalProtocolError, ProtocolError, RemoteProtocolError


def test_both_faults_have_one_base():
    assert issubclass(LocalProtocolError, ProtocolError)
    assert issubclass(RemoteProtocolError, ProtocolError)
    assert not issubclass(LocalProtocolError, RemoteProtocolError)
