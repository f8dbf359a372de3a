// What the agent should know, in the order it is needed. All of it is text of others: shown, never run.

import { byId, el, fill, said } from "./dom.js";
import { dayAndTime, word } from "./words.js";

const LIST = 12;

const isText = (value) => typeof value === "string" || typeof value === "number";
const list = (value) => (Array.isArray(value) ? value.slice(0, LIST) : []);
const entries = (value) => (value && typeof value === "object" && !Array.isArray(value)
  ? Object.entries(value).slice(0, LIST) : []);
const part = (value, name) => (value && typeof value === "object" && isText(value[name]) ? String(value[name]) : "");

/** Draw head and dossier of a pop; a pop without dossier (it is under way) draws the head. */
export function draw(pop, { onIdentity }) {
  const dossier = pop.dossier ?? {};
  byId("firm").textContent = part(dossier, "display_name") || pop.display_name || pop.subscriber || "";
  const greeting = part(dossier, "greeting");
  byId("greeting").hidden = !greeting;
  byId("greeting").textContent = greeting;
  byId("card-number").textContent = pop.card ?? "";
  fill(byId("dossier"),
    pop.dossier ? instructions(dossier) : null,
    pop.dossier ? caller(pop, dossier, onIdentity) : waiting(),
    matters(dossier),
    calls(dossier),
    script(dossier),
    links(dossier));
}

function block(name, title, ...children) {
  return el("section", { class: `block ${name}` }, el("h2", {}, title), ...children);
}

function waiting() {
  return el("p", { class: "quiet" }, word("dossier_coming"));
}

function instructions(dossier) {
  const found = list(dossier.instructions ?? dossier.instruction);
  if (!found.length) return null;
  return block("instructions", word("instructions"), el("ul", {}, found.map((entry) => el("li", {},
    part(entry, "title") ? el("b", {}, said(part(entry, "title")), " ") : null,
    part(entry, "call_type") ? el("b", {}, said(part(entry, "call_type")), ": ") : null,
    said(isText(entry) ? entry : part(entry, "text")),
    part(entry, "until") ? el("span", { class: "quiet" }, " ", said(part(entry, "until"))) : null))));
}

function caller(pop, dossier, onIdentity) {
  const number = pop.ani ?? part(dossier, "ani");
  const rows = [
    [word("number"), number ? el("b", { class: "digits" }, said(number)) : el("span", { class: "quiet" }, word("withheld"))],
    [word("caller_name"), part(dossier, "name") ? el("b", {}, said(part(dossier, "name"))) : null],
    [word("organisation"), part(dossier, "organisation") ? organisation(dossier) : null],
    [word("product"), part(dossier, "product") ? said(part(dossier, "product")) : null],
    [word("region"), part(dossier, "region") ? said(part(dossier, "region")) : null],
    [word("connect_to"), part(dossier.person, "name") ? inCharge(dossier.person) : null],
  ].filter(([, shown]) => shown);
  const facts = entries(dossier.facts).map(([name, value]) => [name, said(value)]);
  const held = entries(dossier.sensitive);
  const locked = held.map(([name, value]) => [name, pop.identified ? said(value)
    : el("span", { class: "locked", role: "img", "aria-label": word("locked") }, "••••••")]);
  return block("caller", word("who_calls"),
    el("p", { class: "badge" }, word(pop.identified ? "identity_done" : "unverified")),
    el("dl", {}, [...rows, ...facts, ...locked].flatMap(([name, shown]) => [el("dt", {}, said(name)), el("dd", {}, shown)])),
    held.length && !pop.identified ? identity(onIdentity) : null);
}

function organisation(dossier) {
  const name = said(part(dossier, "organisation"));
  return dossier.organisation_verified === false ? [name, " ", el("span", { class: "quiet note" }, word("org_unverified"))] : name;
}

/** Who has this matter; when his calendar says that he is not free: why, and what the firm wants done then. */
function inCharge(person) {
  const away = part(person, "away");
  const todo = ["queue", "message", "escalate"].includes(part(person, "do")) ? word(`away_${person.do}`) : "";
  return away ? [said(part(person, "name")), " ", el("span", { class: "state away" }, said(away), todo ? `: ${todo}` : "")] : said(part(person, "name"));
}

/** What opens after the agent made sure who calls. The values are not even in the page before. */
function identity(onIdentity) {
  const button = el("button", { type: "button", id: "identity" }, word("identity_confirm"), el("kbd", {}, "F9"));
  button.addEventListener("click", onIdentity);
  return el("p", { class: "identity" }, button, el("span", { class: "quiet note" }, word("identity_ask")));
}

function matters(dossier) {
  const found = list(dossier.open_matters ?? dossier.open);
  if (!found.length) return null;
  return block("open", word("open_matters"), el("ul", {}, found.map((entry) => el("li", {},
    part(entry, "kind") ? el("span", { class: "tag" }, said(part(entry, "kind"))) : null,
    linked(entry, isText(entry) ? entry : part(entry, "title") || part(entry, "id")),
    part(entry, "state") ? el("span", { class: "state" }, said(part(entry, "state"))) : null,
    part(entry, "person") ? el("span", { class: "quiet" }, said(part(entry, "person"))) : null,
    part(entry, "due") ? el("span", { class: "quiet" }, said(part(entry, "due"))) : null))));
}

function script(dossier) {
  const found = list(dossier.script);
  if (!found.length) return null;
  return block("script", word("script"), el("ol", {}, found.map((entry) => el("li", { "data-stage": part(entry, "stage") || null },
    said(isText(entry) ? entry : part(entry, "say")),
    part(entry, "note") ? el("div", { class: "quiet" }, said(part(entry, "note"))) : null))));
}

function calls(dossier) {
  const found = list(dossier.last_calls ?? dossier.calls);
  if (!found.length) return null;
  return block("calls", word("last_calls"), el("ul", {}, found.map((entry) => {
    const at = Number(entry?.at_ms ?? entry?.at);
    return el("li", {},
      el("span", { class: "quiet digits" }, Number.isFinite(at) && at > 0 ? dayAndTime(at) : said(part(entry, "at"))),
      el("span", {}, said(isText(entry) ? entry : part(entry, "subject") || part(entry, "number"))),
      part(entry, "agent") ? el("span", { class: "quiet" }, said(part(entry, "agent"))) : null);
  })));
}

function links(dossier) {
  const found = list(dossier.links);
  if (!found.length) return null;
  return block("links", word("links"), el("ul", {}, found.map((entry) => el("li", {}, linked(entry, part(entry, "label"))))));
}

/** A link when the address is a decent one, plain text otherwise. */
function linked(entry, label) {
  const address = part(entry, "link") || part(entry, "url");
  if (!address) return said(label);
  const made = el("a", { href: address }, said(label || address));
  return made.hasAttribute("href") ? made : said(label || address, { class: "refused", title: word("link_refused") });
}
