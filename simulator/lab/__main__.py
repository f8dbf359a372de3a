"""bin/lab: a real Asterisk on loopback, up and down."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from simulator.lab.agents import agents_from_json
from simulator.lab.errors import LabError
from simulator.lab.instance import Lab, Ports
from simulator.lab.tree import find_tree, lab_folder


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab", description="A real Asterisk on loopback for tests and the demo."
    )
    parser.add_argument("--name", default="default", help="instance; several run side by side")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("up", "start it"), ("reset", "stop, empty and start it")):
        up = commands.add_parser(name, help=text)
        up.add_argument("--json", action="store_true", help="print ports, users, secret files and log paths")
        up.add_argument("--agents", type=Path, help='JSON list: [{"id": "a1", "contact": "sip:..."}]')
        for port in ("sip", "ami", "agi", "ws", "rtp"):
            up.add_argument(f"--{port}", type=int, help=f"{port} port (rtp: the first); default: a free one")
    commands.add_parser("install", help="make sure an Asterisk of the right version is there; start nothing")
    commands.add_parser("down", help="stop it and remove its folder")
    commands.add_parser("status", help="is it up, and where")
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
        agents = agents_from_json(options.agents) if options.agents else ()
        lab = Lab(options.name, agents=agents, ports=ports).up()
    if options.json:
        print(json.dumps(lab.describe(), indent=2))
    else:
        ports = lab.ports
        print(f"up: SIP {ports.sip}, AMI {ports.ami}, AGI expected at {ports.agi}, pid {lab.pid}, {lab.run}")


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
        print(json.dumps(lab.describe(), indent=2) if lab and running else "down")
        return 0 if running else 1
    if lab is None or not running:
        raise LabError(f"lab {options.name} does not run: bin/lab up")
    print(lab.console(" ".join(options.words)), end="")
    return 0


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
