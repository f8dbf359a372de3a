"""Names beside ids."""

from acd.config.labels import labels_of
from acd.snapshot_json import decode, encode
from tests.config_help import loaded
from tests.wallboard.board_help import snapshot


def test_names_of_the_configuration_travel_with_the_snapshot(tmp_path):
    labels = labels_of(loaded(tmp_path), ["mqtt: no broker"])
    assert (labels.centre, labels.queues, labels.agents) == ("Test", {"sales": "Shop"}, {"101": "Ann"})
    assert decode(encode(snapshot(), labels)).labels == labels
