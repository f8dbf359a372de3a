"""The results of a call-back are the words the dialplan's statuses lead to."""

from acd.core.callback_events import NumberResult
from agi_scripts.dialplan_vars import NUMBER_STATUSES


def test_every_status_of_the_dialplan_has_its_result():
    known = {result.value for result in NumberResult}
    assert set(NUMBER_STATUSES.values()) | {"dialled", "failed"} == known
