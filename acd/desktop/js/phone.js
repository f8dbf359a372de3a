// The phone in the page, beside any SIP phone: JsSIP through our own /sip, sound by WebRTC. Off until switched on.

import { byId } from "./dom.js";
import { word } from "./words.js";

const KEPT = "acd.phone";

export class Phone {
  /** `on`: {api(), told(text, kind)} */
  constructor(on) {
    this.on = on;
    this.state = "off"; // off, connecting, ready, failed, ringing, talking
    this.session = null;
    this.asking = false; // somebody is asked: the router plays the music
    this.changing = false; // the PBX has not yet answered to hold or go on
    byId("phone-hold").addEventListener("click", () => this.hold());
    byId("phone-mute").addEventListener("click", () => this.mute());
    byId("phone").addEventListener("click", () => (this.agent ? this.toggle() : null));
    byId("phone-call").addEventListener("click", () => this.key());
    this.#show("off");
  }

  /** After the login: switch on again if this agent had it on here. */
  start(agent) {
    this.agent = agent;
    byId("phone").hidden = false;
    try { if (localStorage.getItem(KEPT) === agent) this.#open(); } catch { /* nothing kept */ }
  }

  stop() {
    this.agent = null;
    this.ua?.stop();
    this.ua = null;
    this.#show("off");
  }

  toggle() {
    const off = this.state === "off" || this.state === "failed";
    try { off ? localStorage.setItem(KEPT, this.agent) : localStorage.removeItem(KEPT); } catch { /* nothing kept */ }
    if (off) return this.#open();
    this.session?.terminate();
    this.ua?.stop();
    this.ua = null;
    return this.#show("off");
  }

  /** F10: pick up, or hang up. */
  key() {
    if (this.state === "ringing") {
      this.session.answer({ mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } });
    } else if (this.state === "talking") this.session.terminate();
  }

  /** What the router says of the call in hand. While somebody is asked, hold would be his. */
  show(me) {
    const asking = ["consulting", "consult_talk"].includes(me?.transfer);
    if (asking !== this.asking) { this.asking = asking; this.#show(this.state); }
  }

  /** Alt H: the caller hears music, or speaks with the agent again. */
  hold() {
    if (this.state !== "talking" || this.asking || this.changing) return;
    this.#turn(!this.session.isOnHold().local);
  }

  /** Before somebody is asked or gets the caller: a phone that holds hears nobody. */
  speak() {
    if (this.state === "talking" && this.session.isOnHold().local) this.#turn(false);
  }

  /** Alt N: the microphone off, or on again. The caller hears silence. */
  mute() {
    if (this.state !== "talking") return;
    if (this.session.isMuted().audio) this.session.unmute({ audio: true });
    else this.session.mute({ audio: true });
    this.#show("talking");
  }

  #turn(held) {
    const session = this.session;
    const answered = () => { this.changing = false; if (this.session === session) this.#show("talking"); };
    this.changing = held ? session.hold({}, answered) : session.unhold({}, answered);
    if (!this.changing) this.on.told(word("hold_not_now"), "warn");
    this.#show("talking");
  }

  /** JsSIP ends the call when the PBX refuses to hold it or to go on: a caller is never cut for that. */
  #neverCut(session) {
    const terminate = session.terminate.bind(session);
    session.terminate = (options = {}) => {
      if (!["Hold Failed", "Unhold Failed"].includes(options.reason_phrase)) return terminate(options);
      this.changing = false;
      this.on.told(word(options.reason_phrase === "Hold Failed" ? "hold_failed" : "unhold_failed"), "warn");
      return this.session === session ? this.#show("talking") : null;
    };
  }

  relabel() { this.#show(this.state); }

  async #open() {
    this.#show("connecting");
    try {
      const { user, password, ticket } = await this.on.api().phone();
      const { default: JsSIP } = await import("../vendor/jssip.min.js");
      const url = new URL("../sip", location.href);
      url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
      url.search = new URLSearchParams({ agent: this.agent, ticket });
      this.ua?.stop();
      this.ua = new JsSIP.UA({
        sockets: [new JsSIP.WebSocketInterface(url.href)], uri: `sip:${user}@${location.hostname}`, password,
        register_expires: 60, session_timers: false, user_agent: "acd desk",
      });
      this.ua.on("registered", () => { if (!this.session) this.#show("ready"); });
      this.ua.on("unregistered", () => { if (!this.session) this.#show("connecting"); });
      this.ua.on("disconnected", () => { if (!this.session && this.ua) this.#show("connecting"); });
      this.ua.on("registrationFailed", () => this.#show("failed"));
      this.ua.on("newRTCSession", ({ session, originator, request }) => this.#call(session, originator, request));
      this.ua.start();
    } catch (problem) {
      this.#show("failed");
      this.on.told(word(problem.status === 404 ? "phone_none" : "phone_failed"), "warn");
    }
  }

  #call(session, originator, request) {
    if (originator !== "remote" || this.session) { if (this.session !== session) session.terminate(); return; }
    this.session = session;
    this.changing = false;
    this.#neverCut(session);
    byId("phone-call").dataset.call = request.getHeader("X-ACD-Call") ?? "";
    const over = () => { this.session = null; byId("phone-call").dataset.call = ""; this.#show(this.ua?.isRegistered() ? "ready" : "connecting"); };
    session.on("ended", over);
    session.on("failed", over);
    session.on("accepted", () => this.#show("talking"));
    session.on("peerconnection", ({ peerconnection }) => {
      peerconnection.addEventListener("track", (event) => {
        const [stream] = event.streams;
        byId("phone-sound").srcObject = stream ?? new MediaStream([event.track]);
      });
    });
    this.#show("ringing");
  }

  #show(state) {
    this.state = state;
    const talking = state === "talking";
    const held = talking && this.session.isOnHold().local;
    const muted = talking && this.session.isMuted().audio;
    byId("phone").dataset.state = state;
    byId("phone").textContent = word(`phone_${held ? "held" : muted ? "muted" : state}`);
    for (const [id, on, words] of [["hold", held, ["phone_hold", "phone_unhold"]], ["mute", muted, ["phone_mute", "phone_unmute"]]]) {
      byId(`phone-${id}`).setAttribute("aria-pressed", String(on));
      byId(`phone-${id}-words`).textContent = word(words[Number(on)]);
    }
    byId("phone-hold").hidden = !talking || this.asking;
    byId("phone-hold").disabled = this.changing;
    byId("phone-mute").hidden = !talking;
    byId("phone").title = word("phone_title");
    byId("phone").setAttribute("aria-pressed", String(!["off", "failed"].includes(state)));
    byId("phone-call").hidden = !["ringing", "talking"].includes(state);
    byId("phone-call").dataset.state = state;
    byId("phone-call-words").textContent = word(talking ? "phone_hang_up" : "phone_answer");
  }
}
