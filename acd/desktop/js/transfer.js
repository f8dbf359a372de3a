// Handing the call on: choose somebody, ask first or hand on at once; then let him have the caller, or take him back.

import { byId, el, fill, said } from "./dom.js";
import { word } from "./words.js";

const LIST = 9;
const able = (one) => Boolean(one) && one.able !== false; // false: the PBX does not dial this person

/** `on`: {api(), call(), told(text, kind), askNow(), begins()} */
export class Transfer {
  constructor(on) {
    this.on = on;
    this.targets = [];
    this.state = "";
    byId("transfer").addEventListener("click", () => this.key());
    byId("consult-done").addEventListener("click", () => this.key());
    byId("consult-back").addEventListener("click", () => this.back());
    byId("transfer-search").addEventListener("input", () => this.#draw());
    byId("transfer-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#choose("consult");
    });
    byId("transfer-blind").addEventListener("click", () => this.#choose("blind"));
    byId("transfer-close").addEventListener("click", () => byId("transfer-box").close());
    byId("transfer-box").addEventListener("keydown", (event) => this.#keys(event));
  }

  /** What the router says of the call in hand; called with every state. */
  show(me) {
    const talking = me?.state === "talking";
    const before = this.state;
    this.state = talking ? me.transfer ?? "" : "";
    const asking = ["consulting", "consult_talk"].includes(this.state);
    byId("transfer").hidden = !talking || asking;
    byId("transfer").disabled = this.state === "asked";
    byId("consult").hidden = !asking;
    byId("consult").dataset.state = this.state;
    byId("consult-words").textContent = asking ? word(this.state, { who: this.#name(me.transfer_to) }) : "";
    byId("consult-done").hidden = this.state !== "consult_talk";
    byId("consult-back").hidden = this.state !== "consult_talk" && this.state !== "consulting";
    if (!talking && byId("transfer-box").open) byId("transfer-box").close();
    if (before && ["asked", "consulting"].includes(before) && talking && !this.state) {
      this.on.told(word("transfer_failed", { who: this.chosen ?? "" }), "warn");
    }
  }

  /** F6: open the list; while somebody is asked: he shall have the caller. */
  async key() {
    if (this.state === "consult_talk") return this.#send("complete");
    if (this.state || byId("transfer").hidden) return null;
    const box = byId("transfer-box");
    byId("transfer-search").value = "";
    this.targets = [];
    this.picked = 0;
    this.loading = true;
    this.#draw();
    box.showModal(); // before the list is there: what is typed at once is a name, not a word of the message
    byId("transfer-search").focus();
    try {
      this.targets = (await this.on.api().targets(this.on.call())).targets;
    } catch (problem) {
      box.close();
      return this.#told(problem);
    } finally {
      this.loading = false;
    }
    return this.#draw();
  }

  /** F7: take the caller back. */
  back() {
    return ["consulting", "consult_talk"].includes(this.state) ? this.#send("back") : null;
  }

  #name(target) {
    const [kind, id] = (target ?? "").split("_", 2);
    const found = this.targets.find((one) => one.kind === kind && one.id === id);
    return found?.label ?? (kind === "out" ? this.chosen ?? word("outside_person") : id ?? "");
  }

  #found() {
    const typed = byId("transfer-search").value.trim().toLowerCase();
    const found = this.targets.filter((one) => `${one.label} ${one.id}`.toLowerCase().includes(typed)).slice(0, LIST);
    if (/^\+?[\d ()-]{5,}$/.test(typed)) found.push({ kind: "number", id: typed, label: typed, free: true, note: "" });
    return found;
  }

  #draw() {
    this.shown = this.#found();
    this.picked = Math.max(0, Math.min(this.picked, this.shown.length - 1));
    fill(byId("transfer-list"), this.shown.map((one, n) => {
      const row = el("li", { role: "option", id: `target-${n}`, "aria-selected": String(n === this.picked), "aria-disabled": String(!able(one)) },
        said(one.label), el("span", { class: "quiet" }, `${word(`kind_${one.kind}`)}${one.note ? ` · ${this.#note(one.note)}` : ""}`));
      row.addEventListener("click", () => { this.picked = n; this.#draw(); });
      row.addEventListener("dblclick", () => this.#choose("consult"));
      return row;
    }));
    byId("transfer-search").setAttribute("aria-activedescendant", this.shown.length ? `target-${this.picked}` : "");
    byId("transfer-none").hidden = this.loading || this.shown.length > 0;
    const one = this.shown[this.picked];
    byId("transfer-ask").disabled = !able(one) || one.kind === "queue";
    byId("transfer-blind").disabled = !able(one);
  }

  #note(note) {
    const known = { on_call: "note_on_call", paused: "status_paused", not_dialled: "note_not_dialled" };
    return word(known[note] ?? `state_${note}`);
  }

  #keys(event) {
    if (event.code === "ArrowDown" || event.code === "ArrowUp") {
      event.preventDefault();
      this.picked += event.code === "ArrowDown" ? 1 : -1;
      this.#draw();
    } else if (event.code === "Enter" && event.shiftKey) {
      event.preventDefault();
      this.#choose("blind");
    }
  }

  #choose(how) {
    const one = this.shown[this.picked];
    if (!able(one) || (how === "consult" && one.kind === "queue")) return null;
    byId("transfer-box").close();
    this.chosen = one.label;
    this.on.begins();
    return this.#send(how, one.kind, one.id);
  }

  async #send(how, kind = "", id = "") {
    try {
      await this.on.api().transfer(this.on.call(), how, kind, id);
    } catch (problem) {
      this.#told(problem);
    }
    setTimeout(() => this.on.askNow(), 150);
  }

  #told(problem) {
    const known = { 409: "transfer_not_now", 0: "failed" };
    this.on.told(word(known[problem.status] ?? "failed"), "warn");
  }
}
