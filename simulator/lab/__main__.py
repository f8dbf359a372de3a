"""bin/lab: a real Asterisk on loopback, up and down."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
from pathlib import Path

from simulator.lab.agents import Agent, agents_from_json
from simulator.lab.errors import LabError
from simulator.lab.instance import Lab, Ports
from simulator.lab.tree import find_tree, lab_folder
from simulator.lab.trial import call, next_steps, phones, run_line, sample_agents


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/lab", description="A real Asterisk on loopback for tests and the demo."
    )
    parser.add_argument("--name", default="default", help="instance; several run side by side")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("up", "start it"), ("reset", "stop, empty and start it")):
        up = commands.add_parser(name, help=text)
        up.add_argument("--json", action="store_true", help="print ports, users, secret files and log paths")
        up.add_argument(
            "--agents",
            help='how many of the sample\'s agents get a phone here, or a file, JSON list: [{"id": "a1", "contact": "sip:..."}]',
        )
        for port in ("sip", "ami", "agi", "ws", "rtp"):
            up.add_argument(f"--{port}", type=int, help=f"{port} port (rtp: the first); default: a free one")
    commands.add_parser("install", help="make sure an Asterisk of the right version is there; start nothing")
    commands.add_parser("down", help="stop it and remove its folder")
    commands.add_parser("status", help="is it up, and where, and how to start the daemon against it")
    phones = commands.add_parser("phones", help="be the phones of `up --agents N`, until Ctrl-C")
    phones.add_argument("--talk-s", type=float, default=10.0, help="hang up after so many seconds of talk")
    call = commands.add_parser("call", help="make one call and say what the caller saw")
    call.add_argument("number", help="the dialled number, such as 7002")
    call.add_argument("--from", dest="caller", default="+79161234567", help="the caller's number")
    call.add_argument(
        "--patience-s", type=float, default=120.0, help="hang up unless an agent is tried by then"
    )
    console = commands.add_parser("console", help="run an Asterisk console command")
    console.add_argument("words", nargs="+")
    return parser


def _up(options: argparse.Namespace) -> None:
    running = Lab.attach(options.name)
    if running and options.command == "reset":
        running.down()
        running = None
    if running and running.pid:
        lab = running.up()
    else:
        ports = Ports.free(
            sip=options.sip, ami=options.ami, agi=options.agi, ws=options.ws, rtp_first=options.rtp
        )
        agents = _agents(options.agents)
        lab = Lab(options.name, agents=agents, ports=ports).up()
    if options.json:
        print(json.dumps(lab.describe(), indent=2))
    else:
        ports = lab.ports
        print(f"up: SIP {ports.sip}, AMI {ports.ami}, AGI expected at {ports.agi}, pid {lab.pid}, {lab.run}")
        print(next_steps(lab))


def _agents(given: str | None) -> tuple[Agent, ...]:
    """Return the agents of `--agents`: a number, or a file."""
    if not given:
        return ()
    return sample_agents(int(given)) if given.isdigit() else agents_from_json(Path(given))


def _other(options: argparse.Namespace) -> int:
    lab = Lab.attach(options.name)
    running = lab is not None and lab.pid != 0
    if options.command == "install":
        tree = find_tree(lab_folder())
        print(f"Asterisk {'.'.join(map(str, tree.version))} in {tree.root or 'this machine'}")
        return 0
    if options.command == "down":
        if lab is not None:
            lab.down()
        print("down")
        return 0
    if options.command == "status":
        print(json.dumps({**lab.describe(), "run": run_line(lab)}, indent=2) if lab and running else "down")
        return 0 if running else 1
    if lab is None or not running:
        name = "" if options.name == "default" else f" --name {options.name}"
        raise LabError(f"lab {options.name} does not run: bin/lab{name} up")
    return _in_running(lab, options)


def _in_running(lab: Lab, options: argparse.Namespace) -> int:
    if options.command == "phones":
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            phones(lab, options.talk_s, lambda line: print(line, flush=True))
        return 0
    if options.command == "call":
        told, taken = call(lab, options.number, options.caller, options.patience_s)
        print(told)
        return 0 if taken else 1
    said = lab.console(" ".join(options.words))
    print(said, end="")
    # Asterisk's own exit status is 0 for a command it does not know
    refused = said.startswith(("No such command", "Usage:")) or said.rstrip().endswith("failed.")
    return 1 if refused else 0


def main() -> None:
    """Entry point. Exit code 2: something is missing, and the message says what to do."""
    options = _arguments().parse_args()
    try:
        if options.command in ("up", "reset"):
            _up(options)
            code = 0
        else:
            code = _other(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        code = 2
    sys.exit(code)


if __name__ == "__main__":
    main()
