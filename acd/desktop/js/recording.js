// Pausing the recording of the talk in hand, while a caller reads out a card number. The router ends a forgotten pause.

import { byId } from "./dom.js";
import { word } from "./words.js";

/** `on`: {api(), now(), told(text, kind)} */
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
      const until = (await this.on.api().pauseRecording(call, pause)).until_ms ?? 0;
      if (this.call === call) this.until = until;
      const seconds = Math.max(0, Math.round((until - this.on.now()) / 1000));
      this.on.told(word(pause ? "record_paused" : "record_goes_on", { s: seconds }), pause ? "warn" : "");
    } catch (problem) {
      // Only the router's own word means that nothing is recorded. After any other failure, silence too, it may be.
      if (this.call === call) this.until = 0;
      const none = problem.body?.reason === "not_recorded";
      this.on.told(word(none ? "record_none" : pause ? "record_still" : "record_still_silent"), "warn");
    }
  }
}
