"""Fault injection: everything around the daemon, and the daemon itself, is made to fail while people call.

`bin/faults --help`. The plan is drawn by seed (plan), carried out on a site (site, deeds), and judged by
the oracle (evidence): what the callers saw, the journal, CEL, cards, ledger and tickets must be one story.
"""
