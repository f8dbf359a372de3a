"""Foreign text at work: templates and calendars run in processes of their own, which may be killed.

`bench.py` is the child, `client.py` the daemon's side, `ical.py` one of the two trades (the other is
acd.deskside.templates). Decision 0185.
"""
