// How news reaches the page: MQTT through our own port, and asking once a second while that is down.

import { Mqtt } from "./mqtt.js";

const SLOW_MS = 10_000;
const FAST_MS = 1_000;
const BACKOFF_MS = [500, 1000, 2000, 4000, 8000, 15_000];
const SEEN = 200;

export class Link {
  /** `on`: {pop(message), state(state, now, synced), link(mode), refused()}; mode is live, asking or none. */
  constructor(api, secret, on) {
    this.api = api;
    this.secret = secret;
    this.on = on;
    this.mode = "none";
    this.stopped = false;
    this.tries = 0;
    this.seen = [];
    this.id = `${api.agent}-desk-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
    this.reachable = false;
    this.#open();
    this.#ask();
    this.wake = () => { if (!this.stopped) { clearTimeout(this.timer); this.#ask(); } };
    addEventListener("online", this.wake);
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    clearTimeout(this.again);
    removeEventListener("online", this.wake);
    this.#presence(false);
    this.mqtt?.end("stopped");
  }

  /** A command over MQTT, for when HTTP does not get through; false when that is down too. */
  command(name, reason = "") {
    const body = { v: 1, command: name, ...(reason ? { reason } : {}) };
    return this.mqtt?.publish(`acd/v1/agent/${this.api.agent}/command`, JSON.stringify(body)) ?? false;
  }

  /** Ask at once, and go on from there. */
  askNow() {
    clearTimeout(this.timer);
    return this.#ask();
  }

  #topic(leaf) { return `acd/v1/agent/${this.api.agent}/${leaf}`; }

  #presence(online) {
    this.mqtt?.publish(this.#topic("presence"), JSON.stringify({ v: 1, online }), true);
  }

  #open() {
    const url = new URL("../mqtt", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.mqtt = new Mqtt({
      url: url.href, clientId: this.id, user: this.api.agent, password: this.secret,
      will: { topic: this.#topic("presence"), payload: JSON.stringify({ v: 1, online: false }) },
      subscribe: [this.#topic("pop"), this.#topic("state")],
      on: {
        open: () => { this.tries = 0; this.#presence(true); this.#tell(); this.askNow(); },
        message: (topic, text) => this.#message(topic, text),
        close: () => this.#lost(),
      },
    });
  }

  #reopen() {
    clearTimeout(this.again);
    this.tries = 0;
    this.#open();
  }

  #lost() {
    if (this.stopped) return;
    this.#tell();
    const wait = BACKOFF_MS[Math.min(this.tries, BACKOFF_MS.length - 1)];
    this.tries += 1;
    this.again = setTimeout(() => this.#open(), wait * (0.5 + Math.random() / 2));
    this.askNow();
  }

  #tell() {
    const live = Boolean(this.mqtt?.ready && !this.mqtt.closed);
    const mode = live && this.reachable ? "live" : this.reachable ? "asking" : "none";
    if (mode !== this.mode) {
      this.mode = mode;
      this.on.link(mode);
    }
  }

  #message(topic, text) {
    let body;
    try { body = JSON.parse(text); } catch { return; }
    if (body === null || typeof body !== "object" || body.v !== 1) return;
    if (topic === this.#topic("state")) this.on.state(body, null, null);
    if (topic !== this.#topic("pop")) return;
    const key = `${body.effect}/${body.kind}/${body.call}/${body.at_ms}`;
    if (this.seen.includes(key)) return; // delivery is at least once
    this.seen = [...this.seen.slice(-SEEN), key];
    this.on.pop(body);
  }

  async #ask() {
    const round = (this.round = (this.round ?? 0) + 1);
    let pause = FAST_MS;
    try {
      const answer = await this.api.state();
      if (this.stopped || round !== this.round) return;
      if (!this.reachable && this.mqtt?.closed) this.#reopen(); // the server is back: do not sit out the back-off
      this.reachable = true;
      this.on.state(answer.state, answer.now, answer.name);
      if (this.mqtt?.ready && !this.mqtt.closed) pause = SLOW_MS;
    } catch (problem) {
      if (this.stopped || round !== this.round) return;
      if (problem.status === 401) { this.on.refused(); return; }
      this.reachable = problem.status >= 400;
    }
    this.#tell();
    this.timer = setTimeout(() => this.#ask(), pause);
  }
}
