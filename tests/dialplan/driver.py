"""Stands in for the daemon: a raw AMI link with heartbeat, and a FastAGI server that can misbehave.

Deliberately not our own wire or adapters: the dialplan is tested against the protocols themselves.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from simulator.lab import Lab

Event = dict[str, str]
VERDICT = {
    "ACD_QUEUE": "q1",
    "ACD_SUBSCRIBER": "s1",
    "ACD_PRIORITY": "1",
    "ACD_NEEDS": "ru:3.billing:2",
    "ACD_STICKY": "",
    "ACD_CARD": "1234-5",
    "ACD_NAME": "Фирма: Клиент",
    "ACD_RING_S": "2",
    "ACD_VERDICT": "queue",
}


class Ami:
    """One manager session. Events are kept in order; `wait_for` looks at all since the session began."""

    def __init__(self, port: int, user: str, secret: str) -> None:
        self._link = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._link.settimeout(None)
        self._condition = threading.Condition()
        self._write = threading.Lock()
        self._serial = 0
        self.events: list[Event] = []
        self.replies: dict[str, Event] = {}
        self.on_event: Callable[[Event], None] | None = None
        threading.Thread(target=self._read, daemon=True).start()
        reply = self.action(Action="Login", Username=user, Secret=secret)
        assert reply["Response"] == "Success", reply

    def send(self, **headers: str) -> str:
        """Send without waiting; return the action id."""
        with self._write:
            self._serial += 1
            action_id = f"t{self._serial}"
            lines = [f"{key}: {value}" for key, value in headers.items()]
            self._link.sendall("\r\n".join([*lines, f"ActionID: {action_id}", "", ""]).encode())
        return action_id

    def action(self, *, timeout: float = 5, **headers: str) -> Event:
        """Send and wait for the reply."""
        action_id = self.send(**headers)
        with self._condition:
            assert self._condition.wait_for(lambda: action_id in self.replies, timeout), (
                f"no reply to {headers}"
            )
            return self.replies[action_id]

    def notes(self, call: str = "", name: str = "") -> list[Event]:
        """UserEvents so far, of one call and one name if given."""
        with self._condition:
            return [
                event
                for event in self.events
                if event.get("Event") == "UserEvent"
                and (not call or event.get("Call") == call)
                and (not name or event["UserEvent"] == name)
            ]

    def wait_for(self, name: str, *, timeout: float = 6, count: int = 1, **fields: str) -> Event:
        """Wait for the `count`-th note of this name with these fields."""

        def found() -> list[Event]:
            return [
                event
                for event in self.events
                if event.get("UserEvent") == name and all(event.get(k) == v for k, v in fields.items())
            ]

        with self._condition:
            happened = self._condition.wait_for(lambda: len(found()) >= count, timeout)
            seen = [event["UserEvent"] for event in self.events if "UserEvent" in event]
            assert happened, f"no {name} {fields} within {timeout} s; notes: {seen[-12:]}"
            return found()[count - 1]

    def close(self) -> None:
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        self._link.close()

    def _read(self) -> None:
        data = b""
        with suppress(OSError):
            while chunk := self._link.recv(65536):
                data += chunk
                *frames, data = data.split(b"\r\n\r\n")
                for frame in frames:
                    self._take(frame.decode("utf-8", "replace"))

    def _take(self, frame: str) -> None:
        pairs = (line.partition(": ") for line in frame.split("\r\n"))
        event: Event = {}
        for key, _, value in pairs:
            # the channel's own dialplan Priority stands before our note's Priority: the last one counts
            event.pop(key, None)
            event[key] = value
        if self.on_event and "Event" in event:
            self.on_event(event)
        with self._condition:
            if "Response" in event:
                self.replies[event.get("ActionID", "")] = event
            else:
                self.events.append(event)
            self._condition.notify_all()


class Agi:
    """A FastAGI server. `mode`: answer, die (close after two variables), hang (never answer)."""

    def __init__(self, port: int, verdict: Event, mode: str = "answer") -> None:
        self.verdict, self.mode = verdict, mode
        self.announcement: Event = {}
        self.asked: list[str] = []
        self.asked_at: list[float] = []
        self.arguments: list[list[str]] = []
        self._server = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def wait_for(self, request: str, *, timeout_s: float = 6) -> None:
        """Wait until this question was asked."""
        end = time.monotonic() + timeout_s
        while request not in self.asked:
            assert time.monotonic() < end, f"{request} was not asked; asked: {self.asked}"
            time.sleep(0.05)

    def close(self) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                link, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with suppress(OSError), link, link.makefile("rwb") as file:
            headers: dict[str, str] = {}
            while line := file.readline().strip():
                name, _, value = line.decode("utf-8", "replace").partition(":")
                headers[name] = value.strip()
            request = headers.get("agi_network_script", "")
            self.arguments.append([headers.get(f"agi_arg_{number}", "") for number in range(1, 6)])
            self.asked_at.append(time.time())
            self.asked.append(request)
            if self.mode == "hang":
                file.readline()
                return
            variables = self.verdict if request == "enter_queue" else self.announcement
            for number, (name, value) in enumerate(variables.items()):
                if self.mode == "die" and number == 2:
                    return
                file.write(f'SET VARIABLE {name} "{value}"\n'.encode())
                file.flush()
                file.readline()


class Daemon:
    """AMI, heartbeat and FastAGI together, as the dialplan sees the daemon."""

    def __init__(self, lab: Lab, *, agi: str = "answer", heartbeat: bool = True, **verdict: str) -> None:
        self.lab = lab
        self.ami = Ami(lab.ports.ami, lab.router_user, lab.router_secret)
        self.agi = Agi(lab.ports.agi, {**VERDICT, **verdict}, agi) if agi != "absent" else None
        self._beating = threading.Event()
        self._stopped = threading.Event()
        if heartbeat:
            self._beating.set()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        number, nonce = 0, time.monotonic_ns()
        while not self._stopped.is_set():
            if self._beating.is_set():
                number += 1
                with suppress(OSError):
                    self.ami.send(Action="Setvar", Variable="ACD_HEARTBEAT", Value=f"{nonce}-{number}")
            self._stopped.wait(0.5)

    def die(self) -> None:
        """No heartbeat, no answers; the manager link stays to watch."""
        self._beating.clear()
        if self.agi:
            self.agi.close()

    def come_back(self) -> None:
        """It is restarted: answers at the door, then the heart beats."""
        assert self.agi
        self.agi.mode = "answer"
        self._beating.set()

    def offer(self, queued: Event, agent: str, attempt: str = "1") -> Event:
        """The one Redirect."""
        return self.redirect(queued, "acd-dial", f"{agent}_{attempt}")

    def redirect(self, note: Event, context: str, exten: str) -> Event:
        return self.ami.action(
            Action="Redirect", Channel=note["Uniqueid"], Context=context, Exten=exten, Priority="1"
        )

    def hang_up(self, call: str) -> None:
        """End a call that rings in the fallback, before the phones of the test go away."""
        self.lab.console("channel request hangup all")
        self.ami.wait_for("AcdEnd", Call=call)

    def route(self, agents: Iterator[str]) -> None:
        """Send every queued call to the next agent, from the reader thread, as fast as can be."""

        def act(event: Event) -> None:
            if event.get("UserEvent") == "AcdQueued":
                self.ami.send(
                    Action="Redirect",
                    Channel=event["Uniqueid"],
                    Context="acd-dial",
                    Exten=f"{next(agents)}_1",
                    Priority="1",
                )

        self.ami.on_event = act

    def close(self) -> None:
        self._stopped.set()
        self._thread.join(2)
        self.ami.close()
        if self.agi:
            self.agi.close()


@contextmanager
def daemon(lab: Lab, **options: object) -> Iterator[Daemon]:
    """A stand-in daemon for one test; afterwards no channel may be left."""
    running = Daemon(lab, **options)  # type: ignore[arg-type]
    try:
        yield running
    finally:
        running.close()
        lab.console("channel request hangup all")


def journal(lab: Lab, call: str) -> list[tuple[str, str, str, str]]:
    """The call's rows of queue_log: (queue, agent, event, data), in order."""
    rows = []
    for line in lab.queue_log.read_text(encoding="utf-8").splitlines():
        parts = line.split("|", 5)
        if parts[1] == call:
            rows.append((parts[2], parts[3], parts[4], parts[5]))
    return rows


def as_journal(note: Event) -> tuple[str, str, str, str]:
    """A note's UserEvent in the form of its journal row, to compare the two."""
    names = list(note)
    fields = names[names.index("Agent") + 1 :]
    data = "|".join(f"{name.lower()}={note[name]}" for name in fields)
    return note["Queue"], note["Agent"], note["UserEvent"].upper(), data


@dataclass
class Talk:
    """A caller in a talk with an agent."""

    acd: Daemon
    queued: Event
    answer: Event

    @property
    def call(self) -> str:
        return self.queued["Call"]

    def blind(self, target: str) -> None:
        assert self.acd.redirect(self.queued, "acd-transfer", target)["Response"] == "Success"

    def consult(self, target: str) -> None:
        """What the daemon sends: one Redirect of both legs, never in the moment of a join (core.transfers)."""
        time.sleep(0.6)
        reply = self.acd.ami.action(
            Action="Redirect",
            Channel=self.queued["Uniqueid"],
            Context="acd-consult",
            Exten=target,
            Priority="1",
            ExtraChannel=self.answer["Uniqueid"],
            ExtraContext="acd-consult-agent",
            ExtraExten=target,
            ExtraPriority="1",
        )
        assert reply["Response"] == "Success", reply

    def hang_up(self, channel: str) -> None:
        """The manager ends a leg, a moment later: nobody hangs up in the millisecond of a join."""
        time.sleep(0.6)
        self.acd.ami.action(Action="Hangup", Channel=channel)

    def wait(self, name: str, **fields: str) -> Event:
        return self.acd.ami.wait_for(name, Call=self.call, timeout=30, **fields)

    def names(self) -> list[str]:
        return [note["UserEvent"] for note in self.acd.ami.notes(self.call)]

    def said_twice(self, lab: Lab) -> None:
        """The journal has every note, in the same words. Events of several channels keep no common order: wait."""
        end = time.monotonic() + 3
        while True:
            notes = sorted(as_journal(note) for note in self.acd.ami.notes(self.call))
            kept = sorted(journal(lab, self.call))
            if notes == kept:
                return
            assert time.monotonic() < end, (notes, kept)
            time.sleep(0.1)


def wait_until_silent(lab: Lab) -> None:
    """No channel is left within ten seconds."""
    end = time.monotonic() + 10
    while "0 active channels" not in lab.console("core show channels"):
        assert time.monotonic() < end, lab.console("core show channels concise")
        time.sleep(0.2)
