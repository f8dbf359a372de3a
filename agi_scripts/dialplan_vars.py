"""The contract with the dialplan: every channel variable, context, note and stage, once.

A contract test (tests/dialplan) checks that every name used in dialplan/*.conf stands here and the
reverse. Notes are the one vocabulary of what happened to a call: the dialplan's `acd-note` subroutine
writes each one both as a `queue_log` row (QueueLog, the journal: nothing may be missing there) and as
an AMI UserEvent of the same name and fields (only speed). Values contain only [0-9A-Za-z_.:+-], so that
no note can forge another one.
"""

# --- set by the PBX administrator before the call is sent to acd-in --------------------------------
ACD_DID = "ACD_DID"  # number the caller dialled; default ${EXTEN}
ACD_ANI = "ACD_ANI"  # caller's number; default ${CALLERID(num)}; filtered to [0-9+]
ACD_LANG = "ACD_LANG"  # prompt language, en or ru; empty: the daemon's answer, by number, queue, centre

# --- out: readable by the PBX administrator after the call, and in the hooks -----------------------
ACD_CALL = "ACD_CALL"  # UUID of the call; inherited by every leg
ACD_CARD = "ACD_CARD"  # short card number with check digit; empty while the daemon was down
ACD_RESULT = "ACD_RESULT"  # answered, abandoned, refused, fallback, voicemail, callback, self_served
ACD_AGENT = "ACD_AGENT"  # agent of the running or last offer

# --- verdict of the FastAGI question; ACD_VERDICT is always the LAST one set -----------------------
ACD_VERDICT = "ACD_VERDICT"  # queue, closed, full, refused; EMPTY = daemon did not answer: default branch
ACD_QUEUE = "ACD_QUEUE"
ACD_SUBSCRIBER = "ACD_SUBSCRIBER"
ACD_PRIORITY = "ACD_PRIORITY"
ACD_NEEDS = "ACD_NEEDS"  # skill:level.skill:level
ACD_STICKY = "ACD_STICKY"  # agent id or empty
ACD_NAME = "ACD_NAME"  # display name for the agent's phone: "Subscriber: Client", cleaned
ACD_GREETING = "ACD_GREETING"  # sound file played before waiting; empty = none
ACD_MOH = "ACD_MOH"  # music class; default acd
ACD_RING_S = "ACD_RING_S"  # seconds one agent is rung
ACD_SURVEY = "ACD_SURVEY"  # sound that asks for a rating after the talk; empty = nobody is asked
ACD_AFTER = "ACD_AFTER"  # whom nobody could serve leaves: voicemail (a message) or capture (a number)
# The same for who calls after hours; empty: only a sentence.
ACD_SELF = "ACD_SELF"  # an answer before anybody is rung: 1 = there is one, asked, said = all of it was heard
ACD_ASK_CARD = "ACD_ASK_CARD"  # sound that asks for the number of an earlier card; empty = nobody is asked
ACD_OPENS = "ACD_OPENS"  # of a closed line: when it opens next, seconds since the epoch; empty = not known
ACD_ZONE = "ACD_ZONE"  # the time zone in which that time is said, Europe/Moscow

# --- answers of the announcement question (verdict says what to do) --------------------------------
ACD_SAY_POSITION = "ACD_SAY_POSITION"  # number to say, 0 = nothing
ACD_SAY_WAIT_MIN = "ACD_SAY_WAIT_MIN"  # expected wait in minutes, 0 = nothing
ACD_OFFER_CALLBACK = "ACD_OFFER_CALLBACK"  # 1 = offer a callback now

ACD_SAY_FILE = "ACD_SAY_FILE"  # sound file to play once at the next turn, set by a rule; empty = nothing

# --- internal to the dialplan ----------------------------------------------------------------------
ACD_ENTER_MS = "ACD_ENTER_MS"  # epoch milliseconds of entry; never changes
ACD_STAGE = "ACD_STAGE"  # one of STAGES
ACD_WHY = "ACD_WHY"  # why the call waits: new, returned, head
ACD_ATTEMPT = "ACD_ATTEMPT"
ACD_ANSWER_MS = "ACD_ANSWER_MS"  # epoch milliseconds of the agent's answer, else empty
ACD_HB_SEEN = "ACD_HB_SEEN"  # heartbeat at the turn before
ACD_HB_MISSES = "ACD_HB_MISSES"
ACD_AT_DOOR_S = "ACD_AT_DOOR_S"  # seconds without a verdict, in all
ACD_ASKED_AGO_S = "ACD_ASKED_AGO_S"  # seconds since the daemon was last asked for one
ACD_AWAY_S = "ACD_AWAY_S"  # seconds since its last heartbeat
ACD_TURN = "ACD_TURN"
ACD_QUOTED = "ACD_QUOTED"  # number of an earlier card, keyed in at the door
ACD_MS = "ACD_MS"  # epoch milliseconds of the AcdQueued or AcdDial note, the same in journal and event
ACD_LEFT = "ACD_LEFT"  # 1 = he has chosen to be called back: no offer finds him any more
ACD_GOSUB = "ACD_GOSUB"  # 1 = the call came through context acd: Return() at the end, no Hangup()
ACD_DIAL = "ACD_DIAL"  # dial string of the agent, set by context acd-agents
ACD_PRESS1 = "ACD_PRESS1"  # 1 = the agent must press 1 to accept (PSTN)
ACD_AGENT_LANG = (
    "ACD_AGENT_LANG"  # language of the agent's own prompts, set by acd-agents; empty = the caller's
)
ACD_LEG = "ACD_LEG"  # channel name of the agent's leg in the running talk
ACD_BACK = "ACD_BACK"  # agent who handed the call on: rung again when the target fails
ACD_CONSULT = "ACD_CONSULT"  # whom the agent asks while the caller hears music: agent_<id>, out_<number>
ACD_CONSULTED = "ACD_CONSULTED"  # the same on the leg of the one who is asked
ACD_JOIN = "ACD_JOIN"  # `wanted` while the caller waits to be joined, then the channel he is joined with
ACD_JOIN_AS = "ACD_JOIN_AS"  # agent: the consultation is over; target: the call is handed on
ACD_JOIN_STATUS = "ACD_JOIN_STATUS"  # why it is over: DIALSTATUS, RETURNED, REJECTED, REFUSED, UNKNOWN_AGENT
ACD_HOLD_MISSES = "ACD_HOLD_MISSES"  # looks at which the agent's leg was not there

# --- call-backs: given with the Originate, filtered by acd-callback-out ------------------------------
ACD_BACK_OF = "ACD_BACK_OF"  # id of the missed call; not empty = this call is a call-back of ours
ACD_BACK_APPROVED = "ACD_BACK_APPROVED"  # 1 = a person said yes: ACD_OUT_APPROVED applies too
ACD_BACK_RING_S = "ACD_BACK_RING_S"  # seconds the number is rung; default 40
ACD_REACHED = "ACD_REACHED"  # 1 = the number answered, on the half that dialled it: somebody is on the line
ACD_OUT_DIAL = "ACD_OUT_DIAL"  # dial string of the number, set by acd-hook-callout

# --- messages by phone: given with the Originate, filtered by acd-deliver ----------------------------
ACD_DELIVERY = "ACD_DELIVERY"  # which attempt this is; its question is answered only while it runs

# --- globals ---------------------------------------------------------------------------------------
ACD_HEARTBEAT = "ACD_HEARTBEAT"  # "<boot nonce>-<counter>", Setvar once a second by the daemon
ACD_AGI = "ACD_AGI"  # agi://127.0.0.1:<port>, set in [globals] by configuration
ACD_RECORD = "ACD_RECORD"  # 1 = record talks (MixMonitor)
ACD_NO_RECORD = (
    "ACD_NO_RECORD"  # 1 = no room for new recordings; Setvar by the daemon, absent = there is room
)
ACD_ANNOUNCE_TURNS = "ACD_ANNOUNCE_TURNS"  # turns of 3 s between two announcement questions: by the daemon's answer, else the global
ACD_MAX_TURNS = "ACD_MAX_TURNS"  # turns of 3 s after which a call falls back whatever happens; default 600
ACD_FALLBACK_S = "ACD_FALLBACK_S"  # seconds in the fallback queue before voicemail; default 60
ACD_OUTSIDE_MAX = "ACD_OUTSIDE_MAX"  # calls to outside persons at a time; default 10
ACD_VOICEMAIL_DIR = "ACD_VOICEMAIL_DIR"  # folder of voice messages, named by ACD_CALL
ACD_OUT_TRUNK = "ACD_OUT_TRUNK"  # PJSIP endpoint through which numbers are called back; empty = none are
ACD_OUT_ALLOWED = "ACD_OUT_ALLOWED"  # regular expression of outside numbers that may be dialled at all
ACD_OUT_APPROVED = "ACD_OUT_APPROVED"  # the same for numbers that a person approved
ACD_SPOOL_AGI = (
    "ACD_SPOOL_AGI"  # bin/agi-offer-callback: takes a number while the daemon is down; empty = journal only
)

STAGES = ("enter", "wait", "dial", "talk", "consult", "handed", "fallback", "done")
"""consult: the agent asks somebody while the caller hears music; handed: with somebody who is no agent of ours."""

CONTEXTS = (
    "acd-in",  # the door: Goto(acd-in,${EXTEN},1)
    "acd",  # the same as a Gosub: Gosub(acd,s,1(did))
    "acd-wait",
    "acd-dial",  # extension <agent>_<attempt>; only the daemon sends calls here
    "acd-overflow",  # extension = the queue in which the caller waits on; only the daemon sends calls here
    "acd-fallback",
    "acd-end",  # hangup handler
    "acd-note",
    "acd-agents",  # generated from agents.yaml: one extension per agent, sets ACD_DIAL
    "acd-agent-leg",  # b() pre-dial handler: headers on the agent's leg
    "acd-agent-answer",  # U() on answer: press 1, note
    "acd-features",  # agents' feature codes
    "acd-outside",  # generated: one pattern per allowed outside prefix, sets ACD_DIAL
    "acd-transfer",  # blind: extension agent_<id>, queue_<id> or out_<number> (TRANSFER_CONTEXT too)
    "acd-own",  # what the answer said of a call-back, taken over by the half that waits
    "acd-consult",  # the caller's side of asking first; extension agent_<id> or out_<number>
    "acd-consult-agent",  # the agent's side of it
    "acd-consulted",  # the target's side, once the agent hung up
    "acd-person-answer",  # U() of an outside person: card number, press 1
    "acd-callback",  # the callback offer spoken to a waiting caller
    "acd-number",  # which number is to be called back? Returns it, or nothing; argument 1: how often one may be keyed in
    "acd-callback-out",  # extension <call id>; only the originate user sends calls here
    "acd-callback-allowed",
    "acd-out-allowed",  # the one wall before every outside number: argument 1 the number, 2 = 1: approved by a person
    "acd-callback-number",
    "acd-callback-answer",  # U() on the number's leg
    "acd-deliver-out",  # extension <attempt>; only the originate user sends calls here
    "acd-deliver",  # the person who is to have a message, once he has answered
    # overridable by the PBX administrator (defaults do something sensible):
    "acd-hook-greeting",
    "acd-hook-survey",
    "acd-hook-closed",
    "acd-hook-voicemail",
    "acd-hook-callout",
)

# note name -> fields in order. Every note also carries `call` (queue_log's uniqueid column),
# `queue` and `agent` (their columns, NONE when empty) and `ms` (epoch milliseconds, first data field).
NOTES: dict[str, tuple[str, ...]] = {
    "AcdEnter": ("did", "ani"),
    "AcdQueued": ("why", "subscriber", "did", "ani", "enter_ms", "card", "priority", "needs", "sticky"),
    "AcdRefused": ("why", "subscriber"),
    "AcdSelfServed": ("subscriber",),  # hung up after he was told what he wanted to know; nobody was rung
    "AcdDial": ("attempt",),
    "AcdAnswer": ("attempt",),  # written on the caller's channel side: agent and caller joined
    "AcdDialEnd": ("attempt", "status"),  # status: DIALSTATUS, or DOUBLE, UNKNOWN_AGENT, REJECTED
    "AcdTalkEnd": ("attempt", "by", "stays"),  # by: caller, agent; stays: 1 = caller waits again
    "AcdConsult": ("to",),  # the agent asks somebody, the caller hears music
    "AcdConsultAnswer": ("to",),  # written on the target's channel
    "AcdConsultEnd": ("to", "status"),  # agent and caller are joined again
    "AcdTransfer": ("to",),  # the talk with this agent is over, the call is handed on
    "AcdTransferEnd": ("to", "status"),  # the target failed, or (OVER) the talk with an outside person ended
    "AcdFallback": ("why",),  # why: heartbeat, verdict, wish, max_wait, rule, voicemail
    "AcdFallbackAnswer": (),  # agent column: the member's name = agent id
    "AcdCallback": ("number",),
    "AcdCallbackBegin": ("of",),  # this call is a call-back of ours; of: the missed call
    "AcdNumberDial": ("number",),  # the agent has answered, now the number is dialled
    "AcdNumberAnswer": (),  # written on the number's channel: agent and client joined
    "AcdNumberEnd": ("status",),  # status: DIALSTATUS, or REFUSED (pattern), NO_AGENT
    "AcdVoicemail": ("file",),
    "AcdEnd": ("cause", "stage", "by", "enter_ms"),
    "AcdFeature": ("action", "reason"),  # login, logout, pause, resume, wrapdone; call column: NONE
}
"""In queue_log: time|call|queue|agent|ACDENTER|ms=..|did=..|ani=..   (event in capitals, k=v data).
As UserEvent AcdEnter: headers Call, Queue, Agent, Ms, Did, Ani (first letter capital, `enter_ms` -> Enter_ms).
A UserEvent also carries the channel's own headers before its `UserEvent:` line, one of them the dialplan's
`Priority`: of a header that comes twice the LAST one is the note's."""

NUMBER_STATUSES: dict[str, str] = {
    "ANSWER": "answered",
    "NOANSWER": "no_answer",
    "BUSY": "busy",
    "CHANUNAVAIL": "unreachable",
    "CONGESTION": "unreachable",
    "CANCEL": "cancelled",
    "REFUSED": "refused",
    "NO_AGENT": "no_agent",
}
"""Status of AcdNumberEnd to the result of a call-back (acd.core.events.NumberResult); others are `failed`."""

QUESTIONS = ("enter_queue", "announce_wait", "deliver_message", "after_call_survey", "self_answer")
"""FastAGI paths the dialplan asks: agi://host:port/enter_queue with arguments call, did, ani, language, number of
an earlier card (asked a second time, if the caller keyed one in);
agi://host:port/announce_wait with argument call. Each has 1.5 s before the dialplan goes on without it.
agi://host:port/deliver_message with argument attempt is a talk with prompts, at most 90 s;
agi://host:port/after_call_survey with arguments call and sound is one of at most 20 s;
agi://host:port/self_answer with argument call is one of at most 60 s."""
