"""What the HTTP edge needs from the daemon, and its settings. No globals: tests pass fakes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from acd.desk.forms import default_form
from acd.desk.message import About, Message, compose
from acd.snapshot_json import Labels

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from acd.core.card import CallCard
    from acd.core.ids import AgentId, CallId
    from acd.core.instant import Instant
    from acd.core.snapshot import Snapshot
    from acd.credentials import Principal
    from acd.pops import Pop, PopBook
    from acd.ports import Clock, Inbox


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where to listen and what to bear. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 8088
    principals: tuple[Principal, ...] = field(default=(), repr=False)
    allowed_origins: tuple[str, ...] = ()
    """Origins besides our own that may open /mqtt, as `https://desk.example`."""
    desk: Path | None = None
    """Directory of the agent's page, served under /desk/."""
    max_connections: int = 1_000
    max_pipes: int = 400
    """Of each kind, /mqtt and /sip. Asterisk's `sessionlimit` (http.conf) must be above it."""
    max_strangers: int = 100
    """Of these, pipes in which nobody has logged in yet."""
    login_limit_s: float = 10.0
    """From the opening of a pipe to the login inside it."""
    max_phones: int = 3
    """SIP pipes of one agent: two pages and one that broke without a word. The oldest gives way."""
    max_body_bytes: int = 65_536
    max_header_bytes: int = 16_384
    header_deadline_s: float = 2.0
    unread_deadline_s: float = 5.0
    """For the other side to read what it asked for; then it is cut."""
    request_timeout_s: float = 10.0
    tls: ssl.SSLContext | None = field(default=None, repr=False)


class StoredCard(Protocol):
    """A card with its version."""

    @property
    def card(self) -> CallCard:
        """The card."""

    @property
    def version(self) -> int:
        """1 is the first."""


class CardQueries(Protocol):
    """Finished cards. Both raise PortError when the database refuses."""

    async def get(self, *, call: str = "", number: str = "") -> StoredCard | None:
        """Return one card by call id or by number."""

    async def find(
        self,
        *,
        since: Instant | None,
        until: Instant | None,
        subscriber: str,
        queue: str,
        agent: str,
        limit: int,
    ) -> Sequence[StoredCard]:
        """Return cards, newest first; empty text means any."""


class DeskAnswers(Protocol):
    """What the agents' page asks about calls."""

    def restore(self, agent: AgentId) -> Pop | None:
        """Make the pop of a talk that outlived our restart anew."""

    async def message(
        self, agent: AgentId | None, call: CallId, values: Mapping[str, str]
    ) -> tuple[Message, str]:
        """Return the written message of a call and its form's id. Raises PortError."""

    async def amend(self, call: CallId, fields: tuple[tuple[str, str], ...]) -> bool:
        """Write fields into a stored card the core no longer knows. Raises PortError."""

    async def keep_draft(self, call: CallId, fields: tuple[tuple[str, str], ...]) -> bool:
        """Make fields durable before the card is; False when the store refuses for the moment."""

    async def send_now(
        self, agent: AgentId | None, call: CallId, fields: tuple[tuple[str, str], ...]
    ) -> bool:
        """Send an urgent message without waiting for the end of the wrap-up; False: it leaves with its card."""


class _NoDesk:
    """The default form, nothing remembered."""

    def restore(self, agent: AgentId) -> Pop | None:  # noqa: ARG002 - the protocol's shape
        return None

    async def message(
        self,
        agent: AgentId | None,  # noqa: ARG002
        call: CallId,  # noqa: ARG002
        values: Mapping[str, str],
    ) -> tuple[Message, str]:
        return compose(default_form("en"), values, About()), "default"

    async def amend(self, call: CallId, fields: tuple[tuple[str, str], ...]) -> bool:  # noqa: ARG002
        return False

    async def keep_draft(self, call: CallId, fields: tuple[tuple[str, str], ...]) -> bool:  # noqa: ARG002
        return False

    async def send_now(self, *_: object) -> bool:
        return False


class Phones(Protocol):
    """Browser phones: where Asterisk's WebSocket is, and each agent's SIP password."""

    @property
    def websocket(self) -> str:
        """Address, as ws://127.0.0.1:8089/ws."""

    def password(self, agent: AgentId) -> str | None:
        """Return the SIP password of the agent's endpoint; None: no phone in the page."""

    def endpoint(self, agent: AgentId) -> str:
        """Return the SIP user."""


class TransferAnswers(Protocol):
    """To whom a call may be handed. All raise ValueError with a reason for the agent."""

    async def choices(self, agent: AgentId, call: CallId) -> Sequence[Mapping[str, object]]:
        """Return kind, id, label, free, note and able of each target."""

    async def target(self, agent: AgentId, call: CallId, kind: str, name: str) -> str:
        """Return what the switch calls this target."""

    def ending(self, agent: AgentId, call: CallId) -> None:
        """See whether the agent asks somebody, so that he can end it."""


class PublicPage(Protocol):
    """A page for people without a login, as plain text parts."""

    @property
    def title(self) -> str:
        """Heading."""

    @property
    def lines(self) -> tuple[str, ...]:
        """Paragraphs."""

    @property
    def button(self) -> str:
        """What the one button says; empty: none."""

    @property
    def language(self) -> str:
        """Of the text."""


class FirmView(Protocol):
    """A subscriber's page, as plain parts."""

    @property
    def title(self) -> str:
        """Heading."""

    @property
    def language(self) -> str:
        """Of the text."""

    @property
    def words(self) -> Mapping[str, str]:
        """What fields and buttons say."""

    @property
    def tables(self) -> Sequence[Any]:
        """Each with title, columns, rows and the case numbers its rows lead to."""

    @property
    def swap(self) -> Any:
        """What may be swapped; None: nothing."""

    @property
    def problem(self) -> str:
        """Why the last wish was not done; empty: it was."""


class FirmDesk(Protocol):
    """A subscriber's own page. Pages are None for a token or case that is not its; all raise PortError."""

    async def page(self, token: str) -> FirmView | None:
        """Everything of this firm."""

    async def case(self, token: str, number: str) -> FirmView | None:
        """One of its cases."""

    async def swap(self, token: str, wanted: dict[str, str]) -> FirmView | None:
        """Change who is on call."""


class PublicDesk(Protocol):
    """What links in messages open. Pages are None for a token that is not ours; all raise PortError."""

    async def message(self, token: str, *, confirm: bool) -> PublicPage | None:
        """The acknowledgement page of one delivery."""

    async def case(self, token: str) -> PublicPage | None:
        """The state page of one case."""

    async def case_of(self, number: str) -> Mapping[str, object] | None:
        """The case a quoted number leads to."""

    async def change_case(
        self, number: str, event: str, who: str, text: str, *, public: bool
    ) -> Mapping[str, object] | str | None:
        """Let something happen to a case; a text says why it cannot, None: there is none."""


class WrittenWork(Protocol):
    """Written work for agents whom the phones can spare (001-07, 001-08)."""

    def room(self, agent: str) -> Mapping[str, object]:
        """Whether he would get a piece now: `allowed`, `code`, `why`."""

    async def next(self, agent: str) -> Mapping[str, object]:
        """Give him the next piece: `work`, or None with `code` and `why`. Raises PortError."""

    async def take(
        self, agent: str, number: str, text: str, *, public: bool
    ) -> Mapping[str, object] | str | None:
        """Give him this case; a text says why not, None: there is none. Raises PortError."""


class CallbackBook(Protocol):
    """Missed calls and the call-backs they are owed. Both raise PortError."""

    async def tasks(self, *, everything: bool = False, held: bool = False) -> Sequence[Mapping[str, object]]:
        """Return the tasks, oldest first."""

    async def act(self, task_id: int, action: str, who: str, reason: str = "") -> str | None:
        """Approve, retry or close; None when done, "" when there is none, else why not."""


class Downstream(Protocol):
    """Cards on their way to the downstream system. Both raise PortError."""

    async def outbox(self) -> Mapping[str, int | None]:
        """Return how many are `waiting`, `sent`, `dead` (given up), and `oldest_waiting_at`."""

    async def revive(self, who: str) -> int:
        """Send again what was given up; return how many. Audited."""


class RecordingDesk(Protocol):
    """Recordings of talks."""

    async def pause(self, agent: AgentId, call: CallId, *, on: bool) -> Instant | None:
        """Pause or go on; return when it goes on by itself. Raises ValueError and PortError with the reason."""


def _no_gauges() -> Mapping[str, float]:
    return {}


async def _not_audited(_who: str, _what: str, _obj: str) -> None:
    """Nobody keeps an audit log here."""


def _ready() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class HttpServices:
    """The daemon, as the HTTP edge sees it."""

    clock: Clock
    inbox: Inbox
    snapshot: Callable[[], Snapshot]
    explain: Callable[[str], Sequence[str] | None]
    """Why this agent, why it waits: one line per decision; None for an unknown call."""
    pops: PopBook
    cards: CardQueries
    call_of_channel: Callable[[str], str | None] = lambda _uniqueid: None
    """The live call of a channel, by Asterisk's Uniqueid."""
    desk: DeskAnswers = field(default_factory=_NoDesk)
    public_desk: PublicDesk | None = None
    """Pages behind links in messages; None: no such pages."""
    work: WrittenWork | None = None
    """Cases given out by capacity; None: no desk."""
    phones: Phones | None = None
    """Phones in the page; None: none here."""
    transfers: TransferAnswers | None = None
    """Handing calls on; None: not here."""
    recording: RecordingDesk | None = None
    """Pausing recordings; None: not here."""
    firm_desk: FirmDesk | None = None
    """Subscribers' own pages; None: no such pages."""
    open_broker: Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] | None = None
    """A connection to the broker, for browsers' MQTT; None: no such door."""
    callbacks: CallbackBook | None = None
    """What the missed-call ledger owes; None: there is none."""
    downstream: Downstream | None = None
    """Whom finished cards are sent to; None: nobody."""
    labels: Callable[[], Labels] = Labels
    """Names of queues and agents for people."""
    troubles: Callable[[], Mapping[str, str]] = _ready
    """What does not work, by name, in plain words; empty when all is well."""
    minor: frozenset[str] = frozenset()
    """Names of troubles with which we are ready all the same."""
    gauges: Callable[[], Mapping[str, float]] = _no_gauges
    """Loop lag, AMI state, outbox depths, counters of the other edges; names as in Prometheus."""
    audit: Callable[[str, str, str], Awaitable[None]] = _not_audited
    """Note who did what to which object in the audit log. Raises PortError."""
