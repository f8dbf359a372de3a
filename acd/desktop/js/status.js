// The agent's own status and state in words, and the clock of the card.

import { byId } from "./dom.js";
import { hasWord, span, word } from "./words.js";

const WARN_MS = 30_000;

export function draw({ me, name, api }) {
  byId("my-name").textContent = name || api.agent;
  byId("my-id").hidden = !name;
  byId("handled").textContent = me?.handled ? word("handled", { n: me.handled }) : "";
  const out = !me || me.status === "logged_out";
  const kind = out ? "out" : me.state !== "idle" ? me.state : me.status;
  byId("my-dot").dataset.kind = kind;
  byId("my-state").textContent = describe(me);
  byId("ready").hidden = out || !["available", "paused"].includes(me.status);
  byId("ready").firstElementChild.textContent = word(me?.status === "paused" ? "do_ready" : "do_break");
  byId("pause-reason").parentElement.hidden = out;
  byId("idle-login").hidden = !me || !out;
  byId("idle-title").textContent = word(title(me));
  byId("idle-hint").textContent = me && !me.reachable && !out ? word("phone_lost") : word(hint(me));
  byId("idle-hint").classList.toggle("problem", Boolean(me && !me.reachable && !out));
}

function describe(me) {
  if (!me) return word("state_unknown");
  if (me.status === "logged_out") return word("status_logged_out");
  const reason = me.pause_reason.toLowerCase();
  const why = me.status === "paused" ? (hasWord(`reason_${reason}`) ? word(`reason_${reason}`) : me.pause_reason) : "";
  const paused = why ? `${word("status_paused")}: ${why}` : "";
  if (me.state === "idle") return paused || word("status_available");
  const held = me.state === "talking" && me.held_since && !me.transfer;
  const state = word(held ? "state_on_hold" : `state_${me.state}`);
  return paused ? `${state} · ${paused}` : state;
}

function title(me) {
  if (!me) return "idle_unknown";
  if (me.status === "logged_out") return "idle_logged_out";
  return me.status === "paused" ? "idle_paused" : "idle_waiting";
}

function hint(me) {
  if (!me) return "hint_unknown";
  if (me.status === "logged_out") return "hint_logged_out";
  return me.status === "paused" ? "hint_paused" : "hint_waiting";
}

/** The two minutes of the card (003-23): words, time left, a bar. */
export function clock(call, left) {
  const warn = left <= WARN_MS;
  byId("clock").dataset.warn = left <= 0 ? "over" : warn ? "soon" : "no";
  byId("clock-words").textContent = word(left <= 0 ? "clock_over" : warn ? "clock_soon" : "clock");
  byId("clock-left").textContent = span(left + 999);
  byId("clock-bar").style.transform = `scaleX(${Math.max(0, Math.min(1, left / call.span))})`;
}
