// The recording rests while a card number is read out: a button in the talk. It goes on by itself after its limit.

import { byId } from "./dom.js";
import { word } from "./words.js";

export class Recording {
  /** `on`: {api(), call(), told(text, kind), now()} */
  constructor(on) {
    Object.assign(this, { on, call: "", until: 0 });
    byId("recording").addEventListener("click", () => this.key());
    setInterval(() => this.#draw(), 500);
  }

  /** What the router says of the call in hand; called with every state. */
  show(me) {
    const talking = me?.state === "talking";
    byId("recording").hidden = !talking;
    if (!talking || this.on.call() !== this.call) this.until = 0;
    this.call = this.on.call();
    this.#draw();
  }

  async key() {
    if (byId("recording").hidden) return;
    try {
      const { until_ms: until } = await this.on.api().recording(this.on.call(), !this.#rests());
      this.until = until ?? 0;
      this.#draw();
    } catch (problem) {
      const none = [404, 409].includes(problem.status);
      this.on.told(word(none ? "recording_none" : "failed"), "warn");
    }
  }

  #rests() { return this.until > this.on.now(); }

  #draw() {
    byId("recording").setAttribute("aria-pressed", String(this.#rests()));
    byId("recording-words").textContent = word(this.#rests() ? "recording_on" : "recording_off");
  }
}
