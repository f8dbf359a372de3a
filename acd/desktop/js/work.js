// Written work: ask for the next case, see the one in hand, finish it or give it back. Calls come first.

import { byId } from "./dom.js";
import { word } from "./words.js";

export class Work {
  /** `api`: the connection of who is logged in; `told`: say something in passing. */
  constructor({ api, told }) {
    Object.assign(this, { api, told, held: null });
    byId("next-work").addEventListener("click", () => this.next());
    byId("work-done").addEventListener("click", () => this.end("resolved"));
    byId("work-back").addEventListener("click", () => this.end("released"));
  }

  async next() {
    try {
      const { work, code, in_hand: held = [] } = await this.api().nextWork();
      this.show(work ?? held[0] ?? null);
      if (!work) this.told(word(`work_${code}`), "warn");
    } catch { this.told(word("failed"), "warn"); }
  }

  async end(how) {
    if (!this.held) return;
    try {
      await this.api().changeCase(this.held.number, how);
      this.show(null);
    } catch { this.told(word("failed"), "warn"); }
  }

  show(held) {
    this.held = held;
    byId("written").hidden = !held;
    byId("work-subject").textContent = held ? `${held.number} · ${held.client_name || held.client} · ${held.subject}` : "";
  }
}
