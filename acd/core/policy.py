"""Targets, thresholds, overflow and retry rules, as data. The core knows no other configuration."""

from __future__ import annotations

from dataclasses import dataclass, field

from acd.core.capacity import Capacity
from acd.core.ids import AgentId, QueueId, SkillId, SubscriberId
from acd.core.instant import HOUR_MS, MINUTE_MS, SECOND_MS, Duration
from acd.core.rules import Rule


@dataclass(frozen=True, slots=True)
class Promise:
    """Share answered within threshold: 0.80 within 20 000 ms. The formula is `sl_of_offered`."""

    share: float = 0.80
    threshold_ms: Duration = 20 * SECOND_MS

    @property
    def allowance(self) -> float:
        """The share that may miss."""
        return 1.0 - self.share


@dataclass(frozen=True, slots=True)
class SkillNeed:
    """A queue's requirement; relaxed to `relaxed_level` once a call waited `relax_after_ms`.

    `relaxed_level` 0 drops the requirement altogether.
    """

    skill: SkillId
    min_level: int = 1
    relax_after_ms: Duration | None = None
    relaxed_level: int = 0


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """One waiting line of one subscriber."""

    id: QueueId
    subscriber: SubscriberId
    promise: Promise = Promise()
    needs: tuple[SkillNeed, ...] = ()
    priority: float = 1.0
    """Multiplier on urgency: 2.0 counts twice."""
    ring_timeout_ms: Duration = 12 * SECOND_MS
    wrap_up_ms: Duration = 2 * MINUTE_MS
    """003-23: at most two minutes for the card."""
    max_wait_ms: Duration = 10 * MINUTE_MS
    """Then the call goes to fallback (voice mail or number capture), never into the void."""
    max_waiting: int = 200
    short_abandon_ms: Duration = 5 * SECOND_MS
    sticky_wait_ms: Duration = 8 * SECOND_MS
    """How long a call may be kept for its sticky agent, if the promise allows."""
    expected_calls_per_s: float = 0.0
    """Forecast arrival rate; 0 lets the core estimate it from what arrives."""
    expected_talk_ms: Duration = 150 * SECOND_MS
    rules: tuple[Rule, ...] = ()
    """What happens to a waiting caller by rule, tried in this order (acd.core.rules)."""


@dataclass(frozen=True, slots=True)
class AgentPolicy:
    """One agent as configured."""

    id: AgentId
    skills: tuple[tuple[SkillId, int], ...] = ()
    """(skill, level 1..5)"""
    rna_limit: int = 1
    """After so many unanswered offers in a row: paused, reason RNA."""
    reserve: int = 0
    """0 front line; 1, 2: opened only by load (001-08)."""
    capacity: Capacity = Capacity()
    """How much written work beside the calls; a call itself is exclusive."""


@dataclass(frozen=True, slots=True)
class RoutingWeights:
    """Every number of the score, named as in the routing design; defaults are good for most centres.

    Defaults were fitted on random skill matrices and judged on others (decision 0102); `auto` of the
    routing benchmark fits them to a centre's own scenario.
    """

    urgency_hard: float = 0.05
    """h: pull toward the hard limit of 40 s (000-08)."""
    urgency_age: float = 0.03
    """b: pull of plain age, so that nobody is forgotten."""
    hard_limit_ms: Duration = 40 * SECOND_MS
    free_rate: float = 0.23
    """kappa: share of the agents about to be free that a waiting call may count on."""
    urgency_allowance: float = 0.18
    """Exponent: how much a scarce allowance (5 % against 20 %) raises the urgency of its calls."""
    lost_cost: float = 0.19
    """Cost of a caller lost while waiting for the next free agent, against one missed promise."""
    patience_ms: Duration = 2 * MINUTE_MS
    """Mean patience behind `lost_cost`."""
    fair_wait_ms: Duration = 4 * MINUTE_MS
    """Who waited this long comes before everybody who did not, longest wait first; never held back."""
    hold_most_ms: Duration = 60 * SECOND_MS
    """Nobody is kept waiting beside an idle agent who could take the call for longer than this (000-08)."""
    debt_step: float = 0.25
    """eta: how fast a missed promise raises its subscriber."""
    debt_cap: float = 7.5
    """C: the largest debt; the price of a miss is one plus the debt."""
    debt_floor: float = 4.0
    """The price of a subscriber far ahead of his promise is exp(-floor)."""
    debt_memory: float = 4.8
    """How far ahead is remembered, in debt."""
    promise_margin: float = 0.07
    """Aim at an allowance smaller by this share, so that chance does not break the promise."""
    level: float = 0.95
    """c_l: what an agent one level below the top costs."""
    level_low: float = 8.0
    """What an agent two or more levels below the top costs."""
    level_pickup: float = 0.05
    """Gain in urgency per level when a free agent picks among waiting calls."""
    idle: float = 0.28
    """c_i"""
    sticky: float = 2.0
    """c_st"""
    sticky_share: float = 0.3
    """Wait for a busy sticky agent only while his remaining talk fits in this share of the time left."""
    reserve: float = 40.0
    """What an agent of an opened reserve costs more than one of the front line."""
    reserve_open_at: float = 0.5
    """A reserve opens when a call nobody is ready for has waited this share of its threshold (001-08)."""
    reserve_open_wait: float = 1.5
    """It opens too when the wait predicted for whoever came now is so many thresholds ..."""
    reserve_open_ms: Duration = 15 * SECOND_MS
    """... for this long on end."""
    reserve_close_idle: int = 2
    """It closes when so many front-line agents were ready without a pause ..."""
    reserve_close_ms: Duration = 3 * MINUTE_MS
    """... for this long."""
    opportunity: float = 8.9
    """c_o"""
    opportunity_decay: float = 0.08
    """d: each further ready agent makes the next one this much cheaper."""
    opportunity_allowance: float = 0.16
    """Exponent: how much a scarce allowance raises the price of the agents that serve it."""
    blend: float = 0.2
    """theta_b: an agent gets written work only while his opportunity cost for the phones is below this."""
    hold_back: float = 0.016
    """theta; 0 never holds an agent back."""
    hold_check_ms: Duration = 2 * SECOND_MS
    """A call held back is tested again at least this often."""
    policy: str = "recommended"
    """recommended, fifo, level_first, strict_tier, delay_ratio, earliest_deadline, or a strategy
    of app_queue: leastrecent, fewestcalls, rrmemory, random, linear, ringall, wrandom."""
    auto: bool = False
    """Use the weights that `bin/simulate fit` found for this centre's own scenario (routing.weights_file)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything the core needs to know, told as one fact."""

    queues: tuple[QueuePolicy, ...] = ()
    agents: tuple[AgentPolicy, ...] = ()
    weights: RoutingWeights = field(default_factory=RoutingWeights)
    offer_confirm_ms: Duration = 2 * SECOND_MS
    """Wish sent, no AcdDial note: give the agent back and offer again."""
    reservation_ms: Duration = 8 * SECOND_MS
    """A reservation without any leg ends after this (failure mode 4)."""
    card_close_ms: Duration = 1 * HOUR_MS
    """How long a finished call still accepts card fields from the desk."""
    skip_ms: Duration = 10 * SECOND_MS
    """How long an agent who let a call ring is kept from the same call; others come first."""
    phone_rest_ms: Duration = 5 * SECOND_MS
    """A phone that failed, refused or was busy gets no offer for so long: no re-offer storms."""
    fallback_retry_ms: Duration = 5 * SECOND_MS
    """A wish for fallback that the dialplan did not confirm is uttered again after this."""
