// Looks after drafts until their cards are stored: what was accepted is looked up in the card and, if it is
// not there (the router was killed in between), sent again; what could not be sent is sent when it can be.

import * as drafts from "./drafts.js";

const EVERY_MS = 3000;
const RESEND_MS = 20_000;

export class Keeper {
  constructor({ onSent, onStored, onChange, api }) {
    Object.assign(this, { onSent, onStored, onChange, api });
    this.promised = new Map();
    this.lastSent = new Map();
  }

  start(agent) {
    this.agent = agent;
    this.stop();
    this.timer = setInterval(() => this.look(), EVERY_MS);
    this.look();
  }

  stop() {
    clearInterval(this.timer);
    this.promised.clear();
  }

  /** Save this draft as soon as the server answers again; `ready`: then end the wrap-up too. */
  promise(draft, ready) {
    this.promised.set(draft.call, { ready, fields: JSON.stringify(draft.fields) });
  }

  async look() {
    if (this.looking || !this.api()) return;
    this.looking = true;
    try {
      for (const draft of drafts.all(this.agent)) await this.#one(draft);
    } finally {
      this.looking = false;
    }
  }

  async #one(draft) {
    const api = this.api();
    if (!api) return;
    if (this.promised.has(draft.call)) { await this.#keepPromise(api, draft); return; }
    if (!draft.sent || drafts.unsaved(draft)) return;
    let found = null;
    try {
      found = await api.card(draft.call);
    } catch (problem) {
      if (problem.status !== 404) return; // 404: the call is not over yet, or its card not written
    }
    const stored = new Map(found?.fields ?? []);
    const wanted = Object.entries(JSON.parse(draft.sent)).filter(([, value]) => value.trim());
    if (found && stored.get("message") && wanted.every(([name]) => stored.has(name)) && same(wanted, stored)) {
      drafts.remove(draft.agent, draft.call);
      this.onStored(draft);
      this.onChange();
    } else if (found) {
      await this.#again(api, draft);
    }
  }

  async #keepPromise(api, draft) {
    const { ready, fields } = this.promised.get(draft.call);
    try {
      await api.save(draft.call, JSON.parse(fields));
    } catch (problem) {
      if (problem.status === 422 || problem.status === 403) this.promised.delete(draft.call);
      return;
    }
    this.promised.delete(draft.call);
    const fresh = drafts.read(draft.agent, draft.call) ?? draft;
    drafts.write({ ...fresh, sent: fields });
    this.onSent(draft.call, fields);
    if (ready) await api.act("done").catch(() => {});
    this.onChange();
  }

  async #again(api, draft) {
    const last = this.lastSent.get(draft.call) ?? 0;
    if (Date.now() - last < RESEND_MS) return;
    this.lastSent.set(draft.call, Date.now());
    await api.save(draft.call, JSON.parse(draft.sent)).catch(() => {});
  }
}

/** The server tidies white space and control characters; compare what is left of both. */
function same(wanted, stored) {
  const bare = (text) => String(text).replace(/[\s\p{Cc}\p{Cf}]+/gu, "");
  return wanted.every(([name, value]) => {
    const kept = bare(stored.get(name));
    return kept === bare(value) || kept.replace(",", ".") === bare(value).replace(",", ".");
  });
}
