"""Seeds that once failed, for ever. Each with the reason, so that a failing one says what came back.

A seed names a history only together with the model: when the model changes, it draws another one. So each
finding also has a test of its own beside the code that was wrong (named here).
"""

REGRESSIONS: dict[int, str] = {
    1220: "a late AcdDial after the answer set a ring deadline on a talk; it broke the core (core/test_offers)",
    1644: "the same, in a run without daemon kills",
    1797: "the same, with doubled events",
    1965: "the same; callers of the next minutes went without cards",
    1010: "a caller who entered within 5 s before a sync and died with the PBX got no card (test_journalfeed)",
    1927: "the same, over a restart of the daemon",
    2105: "the same",
    1370: "only the end of a call was heard: nobody wrote its card (test_journalfeed)",
    1591: "the same, for a caller whom the fallback served",
    1175: "the same, for a talk",
    3: "the wait of an adopted call was counted from the door, not from the queue (store/test_rebuild)",
    1062: "hold longer than the talk that the journal knows of (test_cardfold)",
    1342: "an offer dialled late by a lost Redirect changed the order of segments (test_cardfold)",
    1034: "asked twice at the door: the card had the first number, the dialplan the second (store/test_rebuild)",
    30: "the end of an agent's own call was dropped: busy until the audit, never longer",
    544: "a caller of whom the dialling was heard first had no queue: wrap-up by the default of two minutes (test_calls)",
    4993: "the same",
    5799: "the same",
    8970: "the same",
    9120: "the same",
    16351: "the same; the note of the queue lost, the talk handed on",
    17016: "the same",
    1216: "a client of two firms was called back by both at once (store/test_ledger_store)",
    901257: "rung a third time: the first talk had died with the switch, which is no attempt; the oracle's mistake",
    2015423: "pressed 1, every event lost, the switch killed in the same second: his place went (store/test_ledger_store)",
    3004368: "called back by a second firm while the first one's call-back, settled by a talk meanwhile, was under way",
    3011072: "the same (store/test_ledger_store, deskside/test_callbacks_meanwhile)",
    2005252: "of five callers every event was lost: they waited a minute for the audit; it comes every 30 s now",
    2006994: "the same",
    2009945: "the same",
    2012181: "the same, a daemon that waited two minutes for a lost FullyBooted, or the place of 2015423 lost before",
    2012383: "as 2012181",
    2012410: "as 2012181",
    2012733: "as 2012181",
    2019993: "as 2012181",
    16428: "a caller was still in acd-dial after the last fault (on build 776c4d0; another history since)",
}
