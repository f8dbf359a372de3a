// The desk: log in, show the call at hand, keep what is typed, save it. One state, a few verbs.

import { Api } from "./api.js";
import { byId, el, fill, said } from "./dom.js";
import { draw } from "./dossier.js";
import * as drafts from "./drafts.js";
import { CardForm } from "./form.js";
import { Work } from "./work.js";
import { listenToKeys, showKeys } from "./keys.js";
import { Link } from "./link.js";
import { Keeper } from "./keeper.js";
import { Phone } from "./phone.js";
import { Recording } from "./recording.js";
import { Transfer } from "./transfer.js";
import * as status from "./status.js";
import * as words from "./words.js";
import { word } from "./words.js";

const PREVIEW_MS = 250;
const GRACE_MS = 2500;
const MORE_MS = 60_000;
const REASONS = ["lunch", "break", "training", "meeting", "back_office", "technical"];

const desk = { api: null, link: null, me: null, skew: 0, name: "", call: null, mode: "none", problems: [] };
// desk.call = {call, pop, phase, deadline, opened, at, draft, full, past}; past: reopened after its end

const card = new CardForm(onTyped);
const keeper = new Keeper({ onSent, onStored, onChange: drawDrafts, api: () => desk.api });
const handOn = new Transfer({
  api: () => desk.api, call: () => desk.call?.call, told: (text, kind) => toast(text, kind), askNow: () => desk.link?.askNow(),
  begins: () => phone.speak(),
});
const recording = new Recording({ api: () => desk.api, now: () => now(), told: (text, kind) => toast(text, kind) });
const work = new Work({ api: () => desk.api, told: (text, kind) => toast(text, kind) });
const phone = new Phone({ api: () => desk.api, told: (text, kind) => toast(text, kind) });
export const now = () => Date.now() + desk.skew;

// --- in and out ----------------------------------------------------------------------------------

async function start() {
  await words.loadWords();
  fill(byId("pause-reason"), el("option", { value: "" }, ""), REASONS.map((code) => el("option", { value: code }, code)));
  wire();
  relabel();
  setInterval(tick, 250);
  const kept = session();
  if (!(kept && (await enter(kept.agent, kept.secret)))) showLogin("");
}

function session() {
  try { return JSON.parse(sessionStorage.getItem("acd.session")); } catch { return null; }
}

function showLogin(problem) {
  byId("login").hidden = false;
  byId("desk").hidden = true;
  document.body.dataset.phase = "login";
  byId("login-problem").textContent = problem;
  try { byId("login-name").value ||= localStorage.getItem("acd.agent") ?? ""; } catch { /* nothing kept */ }
  (byId("login-name").value ? byId("login-secret") : byId("login-name")).focus();
}

/** Log in to the page. While the server is away a known agent still sees the drafts. */
async function enter(agent, secret) {
  const api = new Api(agent, secret);
  try {
    const me = await api.whoami();
    if (me.role !== "agent" || me.name !== agent) { showLogin(word("login_not_agent")); return true; }
  } catch (problem) {
    const known = session()?.agent === agent;
    if (problem.status !== 0 || !known) {
      showLogin(word(problem.status === 401 || problem.status === 422 ? "login_wrong" : "login_no_server"));
      return true;
    }
  }
  try {
    sessionStorage.setItem("acd.session", JSON.stringify({ agent, secret }));
    localStorage.setItem("acd.agent", agent);
  } catch { /* then a reload asks again */ }
  Object.assign(desk, { api, me: null, call: null, name: "" });
  byId("login").hidden = true;
  byId("login-secret").value = "";
  byId("desk").hidden = false;
  byId("my-id").textContent = agent;
  desk.link = new Link(api, secret, {
    pop: onPop, state: onState, link: onLink, refused: () => leave(word("login_wrong")),
  });
  showIdle();
  phone.start(agent);
  keeper.start(agent);
  return true;
}

function leave(problem) {
  work.show(null);
  keep();
  desk.link?.stop();
  keeper.stop();
  phone.stop();
  try { sessionStorage.removeItem("acd.session"); } catch { /* nothing kept */ }
  Object.assign(desk, { link: null, api: null, call: null, me: null });
  showLogin(problem);
}

// --- news ----------------------------------------------------------------------------------------

function onLink(mode) {
  desk.mode = mode;
  drawLink();
  if (mode !== "none") { keeper.look(); askPreview(); }
}

function onState(state, at, name) {
  if (at) desk.skew = at - Date.now();
  if (name) desk.name = name;
  desk.me = state;
  const call = desk.call;
  const busy = ["reserved", "ringing", "talking", "wrap_up"].includes(state.state);
  if (busy && state.call && call?.call !== state.call) fetchPop();
  else if (busy && call && !call.past) {
    call.lost = 0;
    if (state.state === "talking" && call.phase === "offered") setPhase("talking");
    if (state.state === "wrap_up" && state.wrap_up_until) setPhase("wrap_up", state.wrap_up_until);
    if (!call.full) fetchPop();
  } else if (!busy && call && !call.past && state.state_since >= call.at) {
    // The message that closes the screen may be lost, or the router may just be starting: look twice.
    call.lost ||= Date.now();
    if (Date.now() - call.lost > GRACE_MS) closeCall();
    else setTimeout(() => desk.link?.askNow(), GRACE_MS + 200);
  }
  drawStatus();
}

function onPop(message) {
  const mine = desk.call?.call === message.call;
  if (message.kind === "show") {
    if (message.expires_at_ms <= now()) return;
    if (mine && !desk.call.past && desk.call.full) { desk.call.at = message.at_ms; return; } // asking was quicker
    openCall({ ...message, full: Boolean(message.dossier) }, "offered", message.at_ms);
    if (!message.dossier) redeem(message);
  } else if (!mine) {
    if (["confirm", "wrapup"].includes(message.kind)) fetchPop();
  } else if (message.kind === "confirm") setPhase("talking");
  else if (message.kind === "wrapup") setPhase("wrap_up", message.deadline_ms);
  else if (message.kind === "withdraw") { toast(word("withdrawn")); closeCall(); }
  else if (message.kind === "wrapup_closed") {
    if (message.by === "deadline" && drafts.unsaved(desk.call.draft)) toast(word("time_over"), "warn");
    closeCall();
  }
}

async function redeem(message) {
  let pop;
  try {
    pop = await desk.api.redeem(message.token);
  } catch {
    await fetchPop(); // another screen was quicker, or the answer was lost
    return;
  }
  takePop(pop, message);
}

let fetching = null;
function fetchPop() {
  fetching ??= desk.api.pop().then((pop) => pop, () => null).then((pop) => {
    fetching = null;
    if (pop) takePop(pop, null);
  });
  return fetching;
}

function takePop(pop, shown) {
  if (!desk.api || (shown && desk.call?.call !== pop.call)) return;
  if (desk.call?.call === pop.call && !desk.call.past) {
    const phase = desk.call.phase === "offered" ? pop.phase : desk.call.phase;
    desk.call.pop = pop;
    desk.call.full = true;
    prefill(desk.call.draft, pop);
    drawCall();
    setPhase(phase, pop.deadline_ms ?? desk.call.deadline);
  } else {
    openCall({ ...pop, full: true }, pop.phase, desk.me?.state_since ?? now(), pop.deadline_ms);
    return;
  }
  mark("pop-complete", desk.call);
}

/** A mark once the screen is painted, for the benchmark and for a slow desk's owner. */
function mark(name, call) {
  const detail = { call: call.call, at_ms: call.at };
  requestAnimationFrame(() => setTimeout(() =>
    performance.mark(name, { detail: { ...detail, painted_ms: performance.timeOrigin + performance.now() } })));
}

// --- the call at hand ----------------------------------------------------------------------------

function openCall(pop, phase, at, deadline = null) {
  if (desk.call && desk.call.call !== pop.call) keep();
  const agent = desk.api.agent;
  const draft = drafts.read(agent, pop.call) ?? {
    agent, call: pop.call, card: pop.card ?? "", firm: "", ani: "", form: null, fields: {}, prefilled: {}, sent: null,
    started: now(),
  };
  desk.call = { call: pop.call, pop, phase, deadline, at, draft, full: Boolean(pop.full), past: false, opened: null, lost: 0 };
  desk.problems = [];
  desk.complete = false;
  if (pop.full) prefill(draft, pop);
  byId("saved").textContent = "";
  drawCall();
  setPhase(phase, deadline);
  mark("pop-shown", desk.call);
  if (pop.full) mark("pop-complete", desk.call);
}

/** Take form and hints of the full pop into the draft, once, and never over what is typed. */
function prefill(draft, pop) {
  const dossier = pop.dossier ?? {};
  draft.firm = String(dossier.display_name || pop.subscriber || draft.firm);
  draft.card = pop.card || draft.card;
  draft.ani = pop.ani || draft.ani;
  if (draft.form || !dossier.form) return;
  draft.form = readForm(dossier.form);
  const hints = { ani: pop.ani, name: dossier.name, organisation: dossier.organisation };
  for (const field of draft.form.fields) {
    const hint = hints[field.prefill];
    draft.prefilled[field.name] = typeof hint === "string" ? hint.slice(0, field.max_length) : "";
    draft.fields[field.name] ??= draft.prefilled[field.name];
  }
}

function readForm(data) {
  const form = Array.isArray(data) ? { fields: data } : data;
  return { id: "", title: "", language: "", outcomes: [], ...form, fields: Array.isArray(form.fields) ? form.fields : [] };
}

/** Open an unfinished card of an earlier call again. */
function openDraft(draft) {
  if (desk.call && !desk.call.past) return;
  desk.call = {
    call: draft.call, phase: "past", deadline: null, at: 0, draft, full: true, past: true, opened: null, lost: 0,
    pop: { call: draft.call, card: draft.card, ani: draft.ani, dossier: { display_name: draft.firm } },
  };
  desk.problems = [];
  desk.complete = false;
  byId("saved").textContent = "";
  drawCall();
  setPhase("past");
  card.focusNext();
}

function closeCall() {
  keep();
  desk.call = null;
  showIdle();
  keeper.look();
}

/** Keep the draft of the screen when it is worth it, forget it otherwise. */
function keep() {
  const call = desk.call;
  if (!call) return;
  if (drafts.typed(call.draft) && call.draft.form) drafts.write(call.draft);
  else drafts.remove(call.draft.agent, call.draft.call);
}

function setPhase(phase, deadline = null) {
  const call = desk.call;
  const before = call.phase;
  call.phase = phase;
  if (before !== phase || !call.phaseAt) call.phaseAt = phaseStart(phase);
  if (deadline && deadline !== call.deadline) {
    call.deadline = deadline;
    call.clockFrom ??= now();
    call.span = Math.max(1, deadline - call.clockFrom);
  }
  document.body.dataset.phase = phase;
  setStage();
  byId("phase").textContent = word(`phase_${phase}`);
  byId("leave").hidden = !call.past;
  byId("save-ready").hidden = call.past;
  document.title = phase === "offered" ? `☎ ${byId("firm").textContent}` : `${byId("firm").textContent} · ACD`;
  if (before !== "talking" && phase === "talking" && !card.hasFocus()) card.focusNext();
  tick();
}

/** Where the talk is, for the script: the step of this stage stands out, what comes later or was said is quiet. */
function setStage() {
  const stage = { offered: "greeting", talking: desk.complete ? "closing" : "talk" }[desk.call?.phase];
  document.body.dataset.stage = stage ?? "";
}

/** When this phase began: the router's word if it speaks of the same state, else now. */
function phaseStart(phase) {
  const state = { offered: "ringing", talking: "talking", wrap_up: "wrap_up" }[phase];
  return desk.me?.state === state ? desk.me.state_since : now();
}

function onTyped(fields) {
  const call = desk.call;
  if (!call?.draft.form) return;
  askPreview();
  if (JSON.stringify(fields) === JSON.stringify(call.draft.fields)) return; // the cursor left a field, no more
  call.draft.fields = fields;
  drafts.write(call.draft);
  if (drafts.unsaved(call.draft)) call.readyAfter = false;
  if (!drafts.keeps) byId("saved").textContent = word("not_kept");
  else if (drafts.unsaved(call.draft)) byId("saved").textContent = "";
}

let previewTimer = null;
function askPreview(delay = PREVIEW_MS) {
  clearTimeout(previewTimer);
  if (!desk.call?.draft.form) return;
  previewTimer = setTimeout(preview, delay);
}

async function preview() {
  const call = desk.call;
  if (!call?.draft.form || !desk.api) return;
  const asked = JSON.stringify(call.draft.fields);
  try {
    const answer = await desk.api.preview(call.call, call.draft.fields);
    if (desk.call !== call) return;
    if (asked !== JSON.stringify(call.draft.fields)) return; // a newer question is under way
    byId("preview").textContent = answer.text;
    showProblems(answer.problems);
    if (answer.plain && !answer.problems.length) byId("preview-note").textContent = word("plain_form");
  } catch (problem) {
    if (desk.call !== call) return;
    byId("preview-note").textContent = word(problem.status === 403 ? "preview_refused" : "preview_away");
    if (problem.status === 0) desk.link?.askNow();
  }
}

function showProblems(problems, all = false) {
  desk.problems = problems;
  const left = card.show(problems, all);
  desk.complete = left === 0;
  setStage();
  byId("preview-note").textContent = left ? word("left_to_fill", { n: left }) : word("complete");
  byId("preview").classList.toggle("complete", left === 0);
}

async function save(ready) {
  const call = desk.call;
  if (!call?.draft.form || call.saving) return;
  call.saving = true;
  const sent = JSON.stringify(call.draft.fields);
  byId("saved").textContent = word("saving");
  try {
    const answer = await desk.api.save(call.call, call.draft.fields);
    call.draft.sent = sent;
    drafts.write(call.draft);
    byId("preview").textContent = answer.text;
    byId("saved").textContent = word(answer.sent ? "sent_at" : "saved_at", { time: words.time(now()) });
    if (ready && !call.past) await finish(call);
    if (call.past && desk.call === call) closeCall();
    keeper.look();
  } catch (problem) {
    if (desk.call !== call) return;
    if (problem.status === 422 && problem.body.problems) {
      showProblems(problem.body.problems, true);
      byId("saved").textContent = word("incomplete");
      card.focusNext(problem.body.problems);
    } else {
      byId("saved").textContent = word({ 403: "save_refused", 0: "save_later" }[problem.status] ?? "save_wait");
      if (problem.status !== 403) keeper.promise(call.draft, ready);
    }
  } finally {
    call.saving = false;
  }
}

/** The card is saved: end the wrap-up, or the moment the talk ends if it still goes on. */
async function finish(call) {
  if (call.phase === "wrap_up") await act("done");
  else call.readyAfter = true;
}

function onSent(call, fields) {
  if (desk.call?.call !== call) return;
  desk.call.draft.sent = fields;
  byId("saved").textContent = word("saved_at", { time: words.time(now()) });
  if (desk.call.past && !drafts.unsaved(desk.call.draft)) closeCall();
  else askPreview();
}

function onStored(draft) {
  if (desk.call?.draft.call === draft.call) byId("saved").textContent = word("stored");
}

async function identity() {
  const call = desk.call;
  if (!call || call.past || call.pop.identified || !call.pop.dossier?.sensitive) return;
  try {
    const pop = await desk.api.identify(call.call, "");
    if (desk.call !== call) return;
    call.pop = pop;
    draw(pop, { onIdentity: identity });
  } catch {
    toast(word("failed"), "warn");
  }
}

// --- status --------------------------------------------------------------------------------------

async function act(action, reason = "") {
  try {
    await desk.api.act(action, reason);
  } catch (problem) {
    if (problem.status !== 0 || !desk.link?.command(action, reason)) toast(word("failed"), "warn");
  }
  setTimeout(() => desk.link?.askNow(), 150);
}

function toggleReady() {
  const me = desk.me;
  if (!me) return;
  if (me.status === "logged_out") act("login");
  else if (me.status === "paused") act("resume");
  else act("pause", "break");
}

function tick() {
  if (!desk.api) return;
  const since = desk.me?.state_since ?? 0;
  byId("my-timer").textContent = since ? words.span(now() - since) : "";
  byId("idle-clock").textContent = words.time(now());
  const call = desk.call;
  if (call) byId("phase-timer").textContent = call.past ? "" : words.span(now() - (call.phaseAt ?? now()));
  const runs = Boolean(call && call.phase === "wrap_up" && call.deadline);
  byId("clock").hidden = !runs;
  if (!runs) return;
  if (call.readyAfter) { call.readyAfter = false; act("done"); }
  status.clock(call, call.deadline - now());
}

// --- drawing -------------------------------------------------------------------------------------

function showIdle() {
  byId("work").hidden = true;
  byId("idle").hidden = false;
  document.body.dataset.phase = "idle";
  document.title = "ACD";
  drawStatus();
  drawDrafts();
}

function drawCall() {
  const call = desk.call;
  byId("idle").hidden = true;
  byId("work").hidden = false;
  draw(call.pop, { onIdentity: identity });
  const waited = call.past ? 0 : call.pop.waited_ms ?? 0;
  byId("waited").textContent = waited >= 1000 ? word("waited", { time: words.span(waited) }) : "";
  if (call.draft.form && call.opened !== call.draft.form) {
    call.opened = call.draft.form;
    const at = card.place();
    card.open(call.draft.form, call.draft.fields);
    if (at) card.goto(at);
    else if (["talking", "wrap_up"].includes(call.phase) && document.activeElement === document.body) card.focusNext();
    askPreview(0);
  } else if (!call.draft.form) {
    card.open({ title: "", fields: [], outcomes: [] }, {});
    byId("preview").textContent = "";
    byId("preview-note").textContent = "";
  }
}

function drawLink() {
  const place = byId("link");
  place.textContent = word(`link_${desk.mode}`);
  place.dataset.mode = desk.mode;
}

function drawStatus() {
  if (!desk.api) return;
  status.draw(desk);
  const inHand = desk.call && !desk.call.past && desk.me?.call === desk.call.call ? desk.me : null;
  handOn.show(inHand);
  recording.show(inHand);
  phone.show(inHand);
}

function drawDrafts() {
  if (!desk.api) return;
  const open = drafts.all(desk.api.agent).filter((draft) => draft.call !== desk.call?.call);
  byId("drafts").hidden = open.length === 0;
  fill(byId("draft-list"), open.map((draft) => {
    const button = el("button", { type: "button" }, word("open_draft"));
    button.addEventListener("click", () => openDraft(draft));
    const drop = el("button", { type: "button", class: "text" }, word("drop_draft"));
    drop.addEventListener("click", () => {
      if (confirm(word("drop_sure"))) { drafts.remove(draft.agent, draft.call); drawDrafts(); }
    });
    return el("li", {}, el("span", {}, el("b", {}, said(draft.firm)), " ", said(draft.card, { class: "digits" })),
      el("span", { class: "quiet" }, words.dayAndTime(draft.started), " · ",
        drafts.unsaved(draft) ? word("draft_unsaved") : word("draft_sent")), button, drop);
  }));
}

function toast(text, kind = "") {
  const made = el("p", { class: `toast ${kind}` }, text);
  byId("toasts").append(made);
  setTimeout(() => made.remove(), 6000);
}

function relabel() {
  for (const option of byId("pause-reason").options) {
    option.textContent = option.value ? word(`reason_${option.value}`) : word("do_pause");
  }
  drawLink();
  phone.relabel();
  if (!desk.api) return;
  drawStatus();
  drawDrafts();
  if (desk.call) {
    desk.call.opened = null;
    drawCall();
    setPhase(desk.call.phase, desk.call.deadline);
  }
}

function wire() {
  byId("login-form").addEventListener("submit", (event) => {
    event.preventDefault();
    enter(byId("login-name").value.trim(), byId("login-secret").value);
  });
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => { words.choose(button.dataset.language); relabel(); });
  }
  byId("ready").addEventListener("click", toggleReady);
  byId("idle-login").addEventListener("click", toggleReady);
  byId("pause-reason").addEventListener("change", (event) => {
    const reason = event.target.value;
    event.target.value = "";
    if (reason) act("pause", reason);
  });
  byId("logout").addEventListener("click", async () => {
    keep();
    if (drafts.all(desk.api.agent).some(drafts.unsaved) && !confirm(word("logout_drafts"))) return;
    await act("logout");
    leave("");
  });
  byId("save").addEventListener("click", () => save(false));
  byId("save-ready").addEventListener("click", () => save(true));
  byId("more-time").addEventListener("click", moreTime);
  byId("leave").addEventListener("click", closeCall);
  byId("help").addEventListener("click", showKeys);
  addEventListener("storage", (event) => {
    const other = drafts.fromEvent(event, desk.call?.draft);
    if (other) { Object.assign(desk.call.draft, other); card.set(other.fields); askPreview(); }
  });
  listenToKeys({
    save: () => save(false), saveReady: () => save(!desk.call?.past), message: () => card.focusNext(desk.problems),
    outcome: () => card.focusOutcome(), ready: toggleReady, identity,
    phone: () => phone.key(), hold: () => phone.hold(), mute: () => phone.mute(), transfer: () => handOn.key(), back: () => handOn.back(), moreTime, phrase: (n) => card.phrase(n),
    work: () => work.next(), recording: () => recording.key(),
    draft: () => {
      const [next] = drafts.all(desk.api.agent);
      if (next && !desk.call) openDraft(next);
    },
  }, () => Boolean(desk.api), () => Boolean(desk.call));
}

async function moreTime() {
  if (desk.call?.phase !== "wrap_up") return;
  try { await desk.api.extend(MORE_MS); } catch { toast(word("failed"), "warn"); }
  setTimeout(() => desk.link?.askNow(), 150);
}

start();
