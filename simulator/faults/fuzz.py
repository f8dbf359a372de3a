"""Fuzz targets: every parser of foreign bytes, with what it may do and what it must never do.

    bin/fuzz                       the list of targets
    bin/fuzz ami --runs 100000     coverage-guided where atheris is installed, else random mutations of the seeds
    bin/fuzz all --plain           random mutations in any case; the same seed, the same bytes
    bin/fuzz --live                the ports of a running daemon, with good calls in between

A target takes bytes and returns; an exception that the parser does not promise is a finding. The same
targets run under Hypothesis in tests/fuzz. A finding is printed as bytes that repeat it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ValidationError

from acd import numberfacts, topics
from acd.adapters.asterisk.channels import Translator
from acd.adapters.asterisk.resync import build_snapshot
from acd.adapters.asterisk.translate import note_to_facts
from acd.adapters.http import message_routes, recording_routes, routes, transfer_routes
from acd.cards import card_json as cardjson
from acd.cards import fold as cardfold
from acd.config import numbers as config_numbers
from acd.config import yaml_reader
from acd.config.loading import load
from acd.config.strict_yaml import ConfigError
from acd.core.ids import AgentId
from acd.wire import agi, ami, cel, queue_log
from acd.wire.errors import RemoteProtocolError
from agi_scripts.dialplan_vars import NOTES

Target = Callable[[bytes], None]

BODIES: tuple[type[BaseModel], ...] = (
    routes.Reason,
    routes.Extension,
    routes.CardFields,
    message_routes.MessageFields,
    message_routes.Identity,
    recording_routes.Pause,
    transfer_routes.Wish,
)
NOW = 1_790_000_000_000
PLAIN = (
    "atheris is not installed: random mutations of the seeds instead. Guided by coverage (Linux on x86-64, 35 MB):"
    " .venv/bin/python -m pip install 'atheris>=3'"
)
_TOPIC = "acd/agent/a101/command"


class Finding(AssertionError):  # noqa: N818 - what a fuzzer finds
    """A parser broke a promise without raising."""


def _same(first: object, second: object, what: str) -> None:
    if first != second:
        raise Finding(f"{what}: {first!r} and {second!r}")


def fuzz_ami(data: bytes) -> None:
    """Frames of a hostile manager: any cut gives the same frames; each becomes facts or nothing."""
    whole, cut = ami.AmiClientParser(), ami.AmiClientParser()
    stream = ami.encode_banner() + data
    frames = whole.feed(stream)
    middle = len(stream) // 2
    _same(frames, [*cut.feed(stream[:middle]), *cut.feed(stream[middle:])], "two cuts of one stream")
    translator = Translator({AgentId("a101"): "PJSIP/a101"})
    for frame in frames:
        if frame.kind == "Event":
            translator.event(frame)
    build_snapshot(frames, frames, frames, (), translator.agent_of, now=NOW)


def fuzz_ami_banner(data: bytes) -> None:
    """A peer that may be no manager at all."""
    try:
        ami.AmiClientParser().feed(data)
    except RemoteProtocolError:
        return


def fuzz_ami_server(data: bytes) -> None:
    """Actions of a hostile client, as the stand-in reads them."""
    for action in ami.AmiServerParser().feed(data):
        action.get("Channel")


def fuzz_agi_request(data: bytes) -> None:
    """What a hostile Asterisk sends before a question."""
    try:
        request = agi.AgiRequestParser().feed(data)
    except RemoteProtocolError:
        return
    if request is not None:
        request.get("agi_arg_1")


def fuzz_agi_reply(data: bytes) -> None:
    """Answers in the middle of a question, HANGUP lines among them."""
    try:
        agi.AgiReplyParser().feed(data)
    except RemoteProtocolError:
        return


def fuzz_queue_log(data: bytes) -> None:
    """Lines of the journal: a row, nothing, or one kind of error; rows become facts and cards."""
    rows = []
    for line in data.split(b"\n"):
        try:
            row = queue_log.parse_line(line)
        except queue_log.JournalLineError:
            continue
        if row is not None:
            rows.append(row)
    kinds = {kind.upper(): kind for kind in NOTES}
    for row in rows:
        fields = {**row.fields, "call": row.call, "queue": row.queue, "agent": row.agent, "ms": str(row.ms)}
        note_to_facts(kinds.get(row.kind, row.kind), fields)
    card = cardfold.fold(rows, pbx_failed_at=NOW)
    if card is not None:
        _same(cardfold.fold([*rows, *rows], pbx_failed_at=NOW), card, "rows read twice")
        _same(cardjson.loads(cardjson.dumps(card)), card, "a card in JSON and back")


def fuzz_cel(data: bytes) -> None:
    """Lines of the channel event log."""
    for line in data.split(b"\n"):
        try:
            cel.parse_line(line)
        except queue_log.JournalLineError:
            continue


def fuzz_mqtt(data: bytes) -> None:
    """Payloads of agents' clients, and topics."""
    text = data.decode("utf-8", "replace")
    for topic in (_TOPIC, text):
        try:
            topics.read_command(topic, data, NOW)
        except topics.MalformedMessage:
            continue
    try:
        topics.read_presence("acd/agent/a101/presence", data)
    except topics.MalformedMessage:
        return


def fuzz_yaml(data: bytes) -> None:
    """A configuration file: never an exception, always a document with problems in it."""
    document = yaml_reader.parse(data, "fuzz.yaml")
    for problem in document.problems:
        str(problem)


_CENTRE = {
    "acd.yaml": "state_dir: state\ncentre: {name: Test, time_zone: Europe/Moscow}\n",
    "queues.yaml": "queues:\n  sales: {subscriber: shop, display_name: Shop}\n",
    "skills.yaml": "skills: {}\n",
    "agents.yaml": "agents:\n  a101: {name: Ann, device: a101}\n",
    "numbers.yaml": "numbers:\n  +74951230001: sales\n",
    "announcements.yaml": "announcements: {}\n",
}


def fuzz_config(data: bytes) -> None:
    """A whole configuration with one foreign file laid over it: accepted, or all problems at once."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for file, text in _CENTRE.items():
            (directory / file).write_text(text, encoding="utf-8")
        (directory / "conf.d").mkdir()
        (directory / "conf.d" / "fuzz.yaml").write_bytes(data)
        try:
            load(directory)
        except ConfigError as wrong:
            str(wrong)


def fuzz_number(data: bytes) -> None:
    """Numbers as dialled, as delivered and as typed: one normal form, and it stays when taken again."""
    text = data.decode("utf-8", "replace")
    tidy = numberfacts.normalise(text)
    _same(numberfacts.normalise(tidy), tidy, "a normal form made normal again")
    try:
        number, _ = config_numbers.normalise(text, "RU")
    except ValueError:
        return
    _same(config_numbers.normalise(number, "RU")[0], number, "a normal form made normal again")


def fuzz_http(data: bytes) -> None:
    """Bodies of requests to every route that takes one: a body of ours, or one kind of error."""
    for model in BODIES:
        try:
            body = model.model_validate_json(data)
        except ValidationError as wrong:
            wrong.errors(include_context=False)  # what the answer with 422 is made of
            continue
        _same(model.model_validate_json(body.model_dump_json()), body, "a body written and read again")


def fuzz_card(data: bytes) -> None:
    """A card from the spill file."""
    try:
        card = cardjson.loads(data.decode("utf-8", "surrogatepass"))
    except (cardjson.CardFormatError, UnicodeDecodeError):
        return
    cardjson.dumps(card)


TARGETS: dict[str, tuple[Target, tuple[bytes, ...]]] = {
    "http": (
        fuzz_http,
        (
            b'{"fields": {"subject": "Order 17", "note": "call back"}}',
            b'{"reason": "lunch", "by_ms": 60000, "how": "birthday", "kind": "agent", "to": "a102"}',
            b'{"reason": "\\ud800", "fields": {"": null}, "by_ms": 1e309}',
        ),
    ),
    "ami": (
        fuzz_ami,
        (
            (
                b"Event: UserEvent\r\nPriority: 3\r\nUniqueid: 1.1\r\nUserEvent: AcdDial\r\nCall: c-1\r\nQueue: q\r\n"
                b"Agent: a101\r\nMs: 1790000000000\r\nAttempt: 1\r\n\r\n"
            ),
            b"Event: Newchannel\r\nChannel: PJSIP/a101-00000001\r\nUniqueid: 2.1\r\nLinkedid: 2.1\r\n\r\n",
            (
                b"Event: Status\r\nUniqueid: 1.1\r\nVariable: ACD_CALL=c-1\r\nVariable: ACD_STAGE=wait\r\n"
                b"Variable: ACD_ENTER_MS=1790000000000\r\nVariable: ACD_NEEDS=ru:3.law:1\r\n\r\n"
            ),
            b"Response: Success\r\nActionID: 1\r\nMessage: x\r\n\r\n",
            "Event: Hangup\r\nUniqueid: 1.1\r\nCause: 16\r\nCallerIDName: Ёж\r\n\r\n".encode(),
        ),
    ),
    "ami_banner": (fuzz_ami_banner, (b"Asterisk Call Manager/11.0.0\r\n", b"SSH-2.0-OpenSSH\r\n")),
    "ami_server": (fuzz_ami_server, (b"Action: Redirect\r\nChannel: 1.1\nExten: a_1\r\n\r\n",)),
    "agi_request": (fuzz_agi_request, (b"agi_network: yes\nagi_callerid: +7495\nagi_arg_1: c-1\n\n",)),
    "agi_reply": (
        fuzz_agi_reply,
        (b"200 result=1 (x)\n", b"520-Invalid\nusage\n520 End of proper usage.\n", b"HANGUP\n200 result=0\n"),
    ),
    "queue_log": (
        fuzz_queue_log,
        (
            (
                b"1790000000|c-1|NONE|NONE|ACDENTER|ms=1790000000000|did=7001|ani=+7912\n"
                b"1790000000|c-1|q|NONE|ACDQUEUED|ms=1790000000100|why=new|enter_ms=1790000000000|card=17\n"
                b"1790000001|c-1|q|a101|ACDDIAL|ms=1790000001000|attempt=1\n"
                b"1790000002|c-1|q|a101|ACDANSWER|ms=1790000002000|attempt=1\n"
                b"1790000009|c-1|q|a101|ACDTALKEND|ms=1790000009000|attempt=1|by=agent|stays=0\n"
                b"1790000009|c-1|q|a101|ACDEND|ms=1790000009001|cause=16|stage=done|by=agent\n"
            ),
            b"1790000000|NONE|NONE|a101|ACDFEATURE|ms=1790000000000|action=pause|reason=7\n",
        ),
    ),
    "cel": (
        fuzz_cel,
        (
            (
                b'"HANGUP","1790000000.123","7912","s","acd-in","PJSIP/trunk-1","","1.1","1.1","",'
                b'"{""hangupcause"":16}"'
            ),
            b'"AcdEnter","1790000000.1","","","","","","1.1","1.1","","{""extra"":""c-1""}"',
        ),
    ),
    "mqtt": (
        fuzz_mqtt,
        (b'{"v":1,"command":"pause","reason":"lunch"}', b'{"v":1,"online":true}', _TOPIC.encode()),
    ),
    "yaml": (fuzz_yaml, (b"a: {b: [1, 2.5, true, null], c: 'x'}\n", b"a: &x 1\nb: *x\n", b"? [1]\n: 2\n")),
    "config": (
        fuzz_config,
        (
            b"queues:\n  sales: {max_wait_s: 60, promise: {share: 0.8, threshold_s: 20}}\n",
            b"agents:\n  a102: {name: B, device: a102, skills: {}}\nnumbers:\n  '101': sales\n",
        ),
    ),
    "number": (fuzz_number, (b"8 (495) 123-45-67", b"+74951230001", b"112", b"00442079460000", b"*55#")),
    "card": (
        fuzz_card,
        (
            (
                b'{"call":"c","number":"1","subscriber":"s","queue":"q","did":"1","ani":"2","entered_at":1,'
                b'"answered_at":null,"ended_at":2,"end_reason":"abandoned","ended_by":"caller","cause":16,"wait_ms":1,'
                b'"talk_ms":0,"hold_ms":0,"acw_ms":0,"agent":null,"segments":[],"fields":[],"history":[],"explanation":[]}'
            ),
        ),
    ),
}


def mutate(chance: random.Random, seeds: tuple[bytes, ...], most: int = 4_096) -> bytes:
    """Return one seed, or two glued, with a few of the usual injuries."""
    data = bytearray(chance.choice(seeds))
    if chance.random() < 0.3:
        data += chance.choice(seeds)
    for _ in range(chance.randint(0, 6)):
        at = chance.randint(0, len(data))
        end = min(len(data), at + chance.randint(1, 12))
        match chance.randint(0, 5):
            case 0:
                data[at:end] = b""
            case 1:
                data[at:at] = data[at:end] * chance.randint(1, 20)
            case 2:
                data[at:end] = chance.randbytes(end - at)
            case 3:
                odd = (
                    b"\r\n",
                    b"\n",
                    b"\0",
                    b": ",
                    b"|",
                    b"=",
                    b"\xff",
                    b"9" * 30,
                    b"-1",
                    "Ё".encode(),
                    b"{",
                )
                data[at:at] = chance.choice(odd)
            case 4:
                data[at:] = b""
            case _:
                data[at:end] = bytes(byte ^ (1 << chance.randint(0, 7)) for byte in data[at:end])
    return bytes(data[:most])


def run_plain(name: str, runs: int, seed: int) -> int:
    """Run a target on random mutations; return the exit status."""
    target, seeds = TARGETS[name]
    chance = random.Random(f"{seed}:{name}")
    begun = time.monotonic()
    for number in range(runs):
        data = mutate(chance, seeds)
        try:
            target(data)
        except Exception as found:  # noqa: BLE001 - any exception is what we look for
            print(f"{name}: finding after {number} runs: {found!r}\n    input {data!r}")
            return 1
    print(f"{name}: {runs} runs in {time.monotonic() - begun:.1f} s, nothing found")
    return 0


def run_guided(name: str, runs: int) -> int:
    """Run a target under atheris, coverage-guided; does not return when it finds something."""
    import atheris

    target, seeds = TARGETS[name]
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(seeds):
            (Path(corpus) / f"seed-{number}").write_bytes(data)
        atheris.instrument_all()
        atheris.Setup([sys.argv[0], corpus, f"-runs={runs}", "-max_len=4096"], target)
        atheris.Fuzz()
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line; return the exit status: 0 nothing found, 1 a finding, 2 cannot run."""
    parser = argparse.ArgumentParser(prog="bin/fuzz", description="Throw broken bytes at every parser.")
    parser.add_argument("target", nargs="?", choices=[*TARGETS, "all"], help="whose parser")
    parser.add_argument("--runs", type=int, default=100_000, help="broken inputs per parser (default 100000)")
    parser.add_argument("--seed", type=int, default=1, help="of --plain and --live")
    parser.add_argument("--plain", action="store_true", help="random mutations, without atheris")
    parser.add_argument("--live", action="store_true", help="all four ports of a running daemon")
    parser.add_argument("--frames", type=int, default=100_000, help="of --live: broken frames per port")
    parser.add_argument("--json", type=Path, help="of --live: write the figures here")
    options = parser.parse_args(arguments)
    if options.live:
        from simulator.faults.live.terminal import show

        return show(options.frames, options.seed, options.json)
    if options.target is None:
        for name, (target, _) in TARGETS.items():
            print(f"{name:12} {(target.__doc__ or '').splitlines()[0]}")
        return 0
    names = list(TARGETS) if options.target == "all" else [options.target]
    plain = options.plain or len(names) > 1  # atheris ends its process with its one target
    if not plain and not _has_atheris():
        print(PLAIN, file=sys.stderr)
        plain = True
    if plain:
        return max(run_plain(name, options.runs, options.seed) for name in names)
    return run_guided(names[0], options.runs)


def _has_atheris() -> bool:
    """Return whether it can be imported; a broken installation counts as none."""
    try:
        import atheris  # noqa: F401 - only whether it is there
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
