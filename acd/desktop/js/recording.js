// Pausing the recording of the talk in hand, while a caller reads out a card number. The router ends a forgotten pause.

import { byId } from "./dom.js";
import { word } from "./words.js";

/** `on`: {api(), call(), now(), told(text, kind)} */
export class Recording {
  constructor(on) {
    this.on = on;
    this.call = null;
    this.until = 0;
    byId("record-pause").addEventListener("click", () => this.key());
  }

  /** What the router says of the call in hand; called with every state and every tick. */
  show(me) {
    const talking = me?.state === "talking";
    if (!talking || me.call !== this.call) this.until = 0;
    this.call = talking ? me.call : null;
    const paused = this.until > this.on.now();
    const button = byId("record-pause");
    button.hidden = !talking;
    button.setAttribute("aria-pressed", String(paused));
    byId("record-words").textContent = word(paused ? "record_go_on" : "record_pause");
  }

  /** Alt R: silence in the recording, or the talk again. */
  async key() {
    if (byId("record-pause").hidden) return;
    const call = this.call;
    const pause = !(this.until > this.on.now());
    try {
      const answer = await this.on.api().pauseRecording(call, pause);
      this.until = answer.until_ms ?? 0;
      this.on.told(word(pause ? "record_paused" : "record_goes_on"), pause ? "warn" : "");
    } catch (problem) {
      this.on.told(word(problem.status === 409 ? "record_none" : "failed"), "warn");
    }
  }
}
