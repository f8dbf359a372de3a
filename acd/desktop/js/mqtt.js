// MQTT 3.1.1 over WebSocket, as much as a desk needs: CONNECT with last will, SUBSCRIBE, PUBLISH, PING.
// Incoming QoS 0 and 1; outgoing QoS 0. One object is one connection; link.js decides when to try again.

const MAX_PACKET = 300_000;
const KEEPALIVE_S = 20;
const OPEN_LIMIT_MS = 6000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function text(value) {
  const bytes = encoder.encode(value);
  return [bytes.length >> 8, bytes.length & 255, ...bytes];
}

function packet(head, body) {
  const length = [];
  let rest = body.length;
  do {
    length.push((rest % 128) | (rest > 127 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return new Uint8Array([head, ...length, ...body]);
}

/** Cut whole packets off the front of `bytes`; returns [packets, rest]. Throws on a broken or too long one. */
export function cut(bytes) {
  const found = [];
  let at = 0;
  for (;;) {
    let length = 0;
    let place = at + 1;
    let shift = 0;
    let whole = false;
    while (place < bytes.length) {
      const byte = bytes[place];
      place += 1;
      length += (byte & 127) * 2 ** shift;
      shift += 7;
      if (!(byte & 128)) { whole = true; break; }
      if (shift > 21) throw new Error("broken length");
    }
    if (length > MAX_PACKET) throw new Error("packet too long");
    if (!whole || place + length > bytes.length) return [found, bytes.slice(at)];
    found.push({ head: bytes[at], body: bytes.subarray(place, place + length) });
    at = place + length;
  }
}

export class Mqtt {
  /** `on`: {open, message(topic, text, retained), close(why)}; close comes exactly once. */
  constructor({ url, clientId, user, password, will, subscribe, on }) {
    Object.assign(this, { clientId, user, password, will, topics: subscribe, on });
    this.rest = new Uint8Array();
    this.packetId = 0;
    this.closed = false;
    this.awaiting = 0;
    this.ready = false;
    this.socket = new WebSocket(url, "mqtt");
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.#connect();
    this.socket.onmessage = (event) => this.#take(event.data);
    this.socket.onclose = () => this.end("closed");
    this.socket.onerror = () => this.end("no connection");
    this.limit = setTimeout(() => this.end("no answer"), OPEN_LIMIT_MS);
    this.pings = setInterval(() => this.#ping(), (KEEPALIVE_S * 1000) / 2);
  }

  /** Close; tells `on.close` once. */
  end(why) {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.limit);
    clearInterval(this.pings);
    try { this.socket.close(); } catch { /* it never opened */ }
    this.on.close(why);
  }

  /** Publish at QoS 0; false when there is no connection. */
  publish(topic, payload, retain = false) {
    if (!this.ready || this.closed) return false;
    return this.#send(packet(0x30 | (retain ? 1 : 0), [...text(topic), ...encoder.encode(payload)]));
  }

  #send(bytes) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(bytes);
    return true;
  }

  #connect() {
    const flags = 0x02 | 0x04 | 0x20 | 0x80 | 0x40; // clean session, will, will retained, user, password
    this.#send(packet(0x10, [
      ...text("MQTT"), 4, flags, KEEPALIVE_S >> 8, KEEPALIVE_S & 255,
      ...text(this.clientId), ...text(this.will.topic), ...text(this.will.payload),
      ...text(this.user), ...text(this.password),
    ]));
  }

  #ping() {
    if (!this.ready) return;
    if (this.awaiting >= 2) { this.end("silent"); return; }
    this.awaiting += 1;
    this.#send(new Uint8Array([0xc0, 0]));
  }

  #take(data) {
    if (!(data instanceof ArrayBuffer)) { this.end("not MQTT"); return; }
    const more = new Uint8Array(data);
    const all = new Uint8Array(this.rest.length + more.length);
    all.set(this.rest);
    all.set(more, this.rest.length);
    try {
      const [packets, rest] = cut(all);
      this.rest = rest;
      packets.forEach((one) => this.#handle(one));
    } catch (problem) {
      this.end(problem.message);
    }
  }

  #handle({ head, body }) {
    this.awaiting = 0;
    switch (head >> 4) {
      case 2: // CONNACK
        if (body[1] !== 0) { this.end(body[1] === 4 || body[1] === 5 ? "refused" : "unavailable"); return; }
        this.packetId = 1;
        this.#send(packet(0x82, [0, 1, ...this.topics.flatMap((topic) => [...text(topic), 1])]));
        break;
      case 9: // SUBACK
        if (body.slice(2).some((code) => code > 2)) { this.end("subscription refused"); return; }
        clearTimeout(this.limit);
        this.ready = true;
        this.on.open();
        break;
      case 3:
        this.#published(head, body);
        break;
      default: // PINGRESP, PUBACK: the counter above is all they are for
    }
  }

  #published(head, body) {
    const length = (body[0] << 8) | body[1];
    const topic = decoder.decode(body.subarray(2, 2 + length));
    let start = 2 + length;
    if ((head >> 1) & 3) {
      const id = [body[start], body[start + 1]];
      start += 2;
      this.#send(new Uint8Array([0x40, 2, ...id]));
    }
    this.on.message(topic, decoder.decode(body.subarray(start)), Boolean(head & 1));
  }
}
