"""The desk's parts, made and wired: projects, dossiers, messages, deliveries, cases, clocks.

Part of the composition root: acd.house makes one when the configuration names a directory of projects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from acd import numberfacts, unhurried
from acd.adapters.directory import HttpDirectory
from acd.adapters.helpdesk import HelpDesk, WebhookHelpDesk, ZammadHelpDesk
from acd.adapters.imap import ImapSettings, Mailbox
from acd.adapters.lmtp import MailDoor
from acd.adapters.smpp import SmppCourier, SmppSettings
from acd.adapters.sms import HttpCourier, sms_body, webhook_body
from acd.adapters.smtp import SmtpCourier, SmtpSettings
from acd.adapters.store import desk_store, directory_store
from acd.cards import number as cardnumber
from acd.config import project_files
from acd.core.instant import HOUR_MS
from acd.desk.delivery import Pace
from acd.deskside.calendars import Calendars
from acd.deskside.cards import DeskCards, Reconciler, also_to
from acd.deskside.cases import CaseDesk
from acd.deskside.delivery import DeliveryWorker
from acd.deskside.dossier import Dossiers
from acd.deskside.firmpage import FirmPages
from acd.deskside.inmail import InMails
from acd.deskside.links import Links, read_secret
from acd.deskside.phone import PersonCaller, PhoneCourier
from acd.deskside.press import OwedMessages, Press
from acd.deskside.public import DeskPublic
from acd.deskside.swaps import Swaps
from acd.ports import PortError

if TYPE_CHECKING:
    import aiosqlite

    from acd.adapters.store.sqlite import SqliteStore
    from acd.config.loading import Config
    from acd.config.projects import Projects
    from acd.core.card import CallCard
    from acd.core.effects import ShowPop
    from acd.core.ids import Ani, Did
    from acd.desk.project import Project
    from acd.ports import Clock, Courier, Directory
    from agi_scripts._session import Script

log = structlog.get_logger("acd.desk")

SWEEP_S = 30.0
DAY_MS = 24 * HOUR_MS
LINKS_SECRET = "secrets/desk-links"  # noqa: S105 - a file's name


def couriers(config: Config, clock: Clock) -> dict[str, Courier]:
    """Return the configured channels. Raises ConfigError for a secret that cannot be read."""
    desk = config.tree.desk
    found: dict[str, Courier] = {"webhook": HttpCourier(webhook_body)}
    if desk.smtp is not None:
        s = desk.smtp
        password = config.secret(s.password, "desk.smtp.password").get_secret_value() if s.password else ""
        found["email"] = SmtpCourier(
            SmtpSettings(s.host, s.port, s.encryption, s.user, password, s.sender, s.timeout_s, s.bounces),
            clock,
        )
    if desk.sms is not None:
        token = config.secret(desk.sms.token, "desk.sms.token").get_secret_value() if desk.sms.token else ""
        found["sms"] = HttpCourier(sms_body, url=desk.sms.url, token=token, timeout_s=desk.sms.timeout_s)
    if desk.smpp is not None:
        p = desk.smpp
        password = config.secret(p.password, "desk.smpp.password").get_secret_value() if p.password else ""
        found["sms"] = SmppCourier(
            SmppSettings(p.host, p.port, p.system_id, password, p.system_type, p.source, p.timeout_s)
        )
    return found


def mail_ways(config: Config, take: Callable[[bytes], Awaitable[str]]) -> dict[str, MailDoor | Mailbox]:
    """Return where bounces and answers come in. Raises ConfigError for a secret that cannot be read."""
    inbox = config.tree.desk.inbox
    found: dict[str, MailDoor | Mailbox] = {}
    if inbox.lmtp_port is not None:
        found["lmtp"] = MailDoor("127.0.0.1", inbox.lmtp_port, take)
    if inbox.imap is not None:
        i = inbox.imap
        password = config.secret(i.password, "desk.inbox.imap.password").get_secret_value()
        found["imap"] = Mailbox(
            ImapSettings(i.host, i.port, i.encryption, i.user, password, i.folder, i.poll_s), take
        )
    return found


def helpdesks(config: Config, clock: Clock) -> dict[str, HelpDesk]:
    """Return the configured help desks. Raises ConfigError for a secret that cannot be read."""
    found: dict[str, HelpDesk] = {}
    for name, entry in config.tree.desk.helpdesks.items():
        where = f"desk.helpdesks.{name}.token"
        token = config.secret(entry.token, where).get_secret_value() if entry.token else ""
        if entry.kind == "zammad":
            found[name] = ZammadHelpDesk(
                entry.url, token, group=entry.group, customer=entry.customer, now_ms=clock.now
            )
        else:
            found[name] = WebhookHelpDesk(entry.url, token)
    return found


class DeskHouse:
    """Everything the desk consists of. `tasks()` are run by the house, `close()` ends it."""

    def __init__(
        self,
        config: Callable[[], Config],
        store: SqliteStore,
        clock: Clock,
        fallback: Directory,
        caller: PersonCaller | None = None,
    ) -> None:
        """`caller`: rings people; None: messages by phone wait, and say so."""
        self._config, self._store, self._clock, self._fallback = config, store, clock, fallback
        self._pressing: dict[str, tuple[int, int]] = {}
        now = config()
        http = now.tree.http
        base = http.public_url or f"http://{http.host}:{http.port}"
        self.links = Links(read_secret(now.state_dir / LINKS_SECRET), base)
        normalise = partial(numberfacts.normalise, home_region=now.tree.centre.region)
        self.swaps = Swaps(store, clock, lambda: config().projects)
        self.http = HttpDirectory()
        self.calendars = Calendars(self.projects, clock)
        self.dossiers = Dossiers(
            self.projects,
            store,
            clock,
            self.http,
            project_of=self._project_of,
            busy=self.calendars.busy,
            state_dir=now.state_dir,
            budget_ms=now.tree.desk.dossier_budget_ms,
            normalise=normalise,
        )
        self.cards = DeskCards(self.projects, self.links, normalise)
        self.press = Press(clock)
        self._owed = OwedMessages(store, clock, self.press, self.cards)
        self.couriers = couriers(now, clock)
        self.phone = None
        if caller is not None:
            self.phone = PhoneCourier(
                store,
                clock,
                self.links,
                caller,
                normalise,
                now.tree.desk.phone_ring_s,
                self.cards.early,
                self._patched,
            )
            self.couriers["call"] = self.phone
        desk = now.tree.desk
        pace = Pace(round(1000 * desk.retry_first_s), round(1000 * desk.retry_longest_s))
        self.worker = DeliveryWorker(self.projects, store, clock, self.couriers, self.links, pace)
        self.cases = CaseDesk(store, clock, helpdesks(now, clock), self._poll_ms, self._notices)
        self.inmails = InMails(store, clock, self.links, self.worker, self.cases)
        self.mail_ways = mail_ways(now, self.inmails.take)
        self.public = DeskPublic(store, clock, self.links, self.projects, self.cases)
        self.firm = FirmPages(store, clock, self.links, self.projects, self.swaps)
        self.cards.attach(store)
        self._expire_at = 0

    def projects(self) -> Projects:
        """Return the projects in force."""
        return self.swaps.projects()

    def _project_of(self, did: Did) -> Project | None:
        found = self._config().route(did)
        return self.projects().of_queue(found[1].queue) if found else None

    def _notices(self, project: str) -> tuple[Project, Links] | None:
        owner = self.projects().good.get(project)
        return None if owner is None else (owner, self.links)

    def _poll_ms(self, helpdesk: str) -> int:
        entry = self._config().tree.desk.helpdesks.get(helpdesk)
        return round((entry.poll_s if entry else 60.0) * 1000)

    # --- the door and the pop --------------------------------------------------------------------

    async def find(self, ani: Ani, did: Did, quoted: str = "", call: str = "") -> Mapping[str, object]:
        """The Directory port: projects' dossiers, else what our own cards know."""
        if self._project_of(did) is None:
            return await self._fallback.find(ani, did)
        number = cardnumber.parse(quoted) if cardnumber.is_card_number(quoted) else ""
        found = dict(await self.dossiers.find(ani, did, number, call))
        if found.get("queue") and found["queue"] not in self._config().tree.queues:
            self.cards.counters["unknown_departments"] += 1
            log.error("department_unknown", queue=found["queue"], did=did)
            found["queue"] = ""
        return found

    def pop(self, wish: ShowPop) -> Mapping[str, object]:
        """Return what the desk adds to a pop."""
        return self.dossiers.pop(wish)

    def for_page(self) -> dict[str, Any]:
        """Return what DeskSide needs of us, by the names of its arguments."""
        return {"press": self.press.print, "send": self.send_now}

    async def send_now(self, card: CallCard) -> bool:
        """Send the urgent message of a card that is not stored yet. Raises PortError."""
        return await self.cards.send_now(self._store, card, self._clock.now())

    async def _patched(self, delivery: int) -> None:
        """A person is joined with the caller: what was written comes to him in writing meanwhile. Raises PortError."""

        async def job(db: aiosqlite.Connection) -> None:
            one = await desk_store.get(db, delivery)
            owner = self.projects().good.get(one.project) if one is not None else None
            message = await desk_store.message(db, one.message, one.version) if one is not None else None
            person = owner.people.get(one.person) if one is not None and owner is not None else None
            if message is not None and person is not None:
                await also_to(db, message, person, self._clock.now(), "he is joined with the caller")

        await self._store.write(job)

    def talks(self) -> dict[str, Script]:
        """Return the talks by FastAGI: path → script."""
        return {"deliver_message": self.phone.talk} if self.phone is not None else {}

    # --- life ------------------------------------------------------------------------------------

    def tasks(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Return what runs until cancelled, by name; what breaks is begun again (acd.sidework)."""
        return {
            "deliveries": self.worker.run,
            "messages": self._owed.run,
            "calendars": self.calendars.run,
            "cases": self.cases.run,
            "desk": self._care,
            **{f"mail {name}": way.run for name, way in self.mail_ways.items()},
        }

    async def _care(self) -> None:
        """Keep versions, make up for missing messages, warn before targets break."""
        reconciler = Reconciler(self._store, self.cards)
        kept: Projects | None = None
        while True:
            try:
                await self.swaps.refresh()
                if self.projects() is not kept:
                    current = self.projects()
                    await self._keep_versions(current)
                    kept = current
                await reconciler.sweep(self._clock.now())
                await self._warn()
                await self._expire()
            except PortError as error:
                log.warning("desk_store_refuses", reason=str(error))
            await self._until_due(kept)

    async def _until_due(self, kept: Projects | None) -> None:
        """Wait for the next round; a reload is recorded within a second, before the next one can follow it."""
        for _ in range(round(SWEEP_S)):
            await asyncio.sleep(1.0)
            if self.projects() is not kept:
                return

    async def _keep_versions(self, projects: Projects) -> None:
        for one in projects.loaded.values():
            for problem in one.problems:
                log.error("project_refused", project=one.name, problem=str(problem), last_good=one.stale)
            if one.project is None or one.stale:
                continue
            if projects.kept is not None:
                await unhurried.in_thread(project_files.keep, one, projects.kept)
            content, digest = project_files.dump(one.document), one.digest
            version = await self._store.write(
                lambda db, n=one.name, d=digest, c=content: directory_store.keep_version(  # type: ignore[misc]
                    db, n, d, c, self._clock.now()
                )
            )
            if version is not None:
                log.info("project_in_force", project=one.name, version=version)

    async def _warn(self) -> None:
        now = self._clock.now()
        self._pressing = await self._store.read(lambda db: desk_store.pressing(db, now))
        for clock in await self._store.write(lambda db: desk_store.take_warnings(db, self._clock.now())):
            log.warning(
                "operation_late", project=clock.project, operation=clock.operation.value, object=clock.object,
                due_at=clock.due_at,
            )  # fmt: skip

    async def _expire(self) -> None:
        """Once a day: remove what each project keeps no longer."""
        now = self._clock.now()
        if now < self._expire_at:
            return
        for project in self.projects().good.values():
            before = now - project.retention_days * DAY_MS
            await self._store.write(
                lambda db, p=project.id, b=before: desk_store.expire(db, p, b)  # type: ignore[misc]
            )
        self._expire_at = now + DAY_MS

    async def close(self) -> None:
        """Close connections and end the processes of the workroom, whatever they do."""
        await self.press.bench.close()
        await self.calendars.bench.close()
        await self.firm.close()
        await self.dossiers.close()
        await self.cases.close()
        await self.http.close()
        for courier in self.couriers.values():
            if isinstance(courier, HttpCourier):
                await courier.close()

    # --- how it is -------------------------------------------------------------------------------

    def troubles(self) -> dict[str, str]:
        """Return what does not work, in plain words."""
        found = {f"desk_{channel}": text for channel, text in self.worker.last_error.items() if text}
        unheard = [f"{name}: {text}" for name, text in self.cases.last_error.items() if text]
        if unheard:
            found["desk_helpdesk"] = "; ".join(unheard)
        if self.dossiers.trouble:
            found["desk_directory"] = self.dossiers.trouble
        deaf = [f"{name}: {way.last_error}" for name, way in self.mail_ways.items() if way.last_error]
        if deaf:
            found["desk_inbox"] = "; ".join(deaf)
        if self.worker.undelivered:
            found["desk_undelivered"] = f"{self.worker.undelivered} deliveries reached nobody"
        if self._pressing:
            told = (
                f"{name} {near}" + f" ({late} overdue)" * bool(late)
                for name, (near, late) in self._pressing.items()
            )
            found["desk_late"] = f"promises about to be broken: {', '.join(told)} (acd desk operations)"
        plain = [f"{name}: {why}" for name, why in sorted(self.press.troubles(self.projects()).items())]
        if plain:
            found["desk_templates"] = f"messages go out in the plain form: {'; '.join(plain)}"
        broken = [one.name for one in self.projects().loaded.values() if one.problems]
        if broken:
            found["desk_projects"] = f"broken project files: {', '.join(broken)}"
        return found

    def gauges(self) -> dict[str, float]:
        """Return figures for the metrics; no personal data."""
        figures = {"desk_undelivered": float(self.worker.undelivered)}
        for source in (
            self.cases.counters,
            self.worker.counters,
            self.cards.counters,
            self.inmails.counters,
            self.dossiers.counters,
        ):
            figures |= {f"desk_{name}": float(value) for name, value in source.items()}
        return figures
