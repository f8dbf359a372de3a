// REST: every request has an end, and says in one word how it ended.

const LIMIT_MS = 8000;

/** An answer that is not a success. `status` 0: no answer at all. */
export class ApiError extends Error {
  constructor(status, body) {
    super(`HTTP ${status}`);
    this.status = status;
    this.body = body ?? {};
  }
}

export class Api {
  constructor(agent, secret) {
    this.agent = agent;
    const bytes = new TextEncoder().encode(`${agent}:${secret}`);
    this.header = "Basic " + btoa(String.fromCharCode(...bytes));
  }

  async request(method, path, body) {
    const headers = { authorization: this.header };
    if (body !== undefined) headers["content-type"] = "application/json";
    let answer;
    try {
      answer = await fetch(`../api/v1${path}`, {
        method, headers, body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(LIMIT_MS), credentials: "omit", cache: "no-store", redirect: "error",
      });
    } catch {
      throw new ApiError(0);
    }
    let read = null;
    try { read = await answer.json(); } catch { /* an empty or broken body is told by the status */ }
    if (!answer.ok) throw new ApiError(answer.status, read);
    return read ?? {};
  }

  get(path) { return this.request("GET", path); }
  post(path, body = {}) { return this.request("POST", path, body); }
  put(path, body) { return this.request("PUT", path, body); }

  whoami() { return this.get("/whoami"); }
  state() { return this.get(`/agents/${this.agent}`); }
  pop() { return this.get(`/agents/${this.agent}/pop`); }
  redeem(token) { return this.get(`/pop/${encodeURIComponent(token)}`); }
  act(action, reason) { return this.post(`/agents/${this.agent}/${action}`, reason ? { reason } : {}); }
  extend(ms) { return this.post(`/agents/${this.agent}/extend`, { by_ms: ms }); }
  preview(call, fields) { return this.post(`/calls/${encodeURIComponent(call)}/message/preview`, { fields }); }
  save(call, fields) { return this.put(`/calls/${encodeURIComponent(call)}/message`, { fields }); }
  identify(call, how) { return this.post(`/calls/${encodeURIComponent(call)}/identity`, { how }); }
  targets(call) { return this.get(`/calls/${encodeURIComponent(call)}/targets`); }
  transfer(call, how, kind, id) { return this.post(`/calls/${encodeURIComponent(call)}/transfer`, { how, kind, id }); }
  pauseRecording(call, paused) { return this.post(`/calls/${encodeURIComponent(call)}/recording`, { paused }); }
  changeCase(number, event) { return this.post(`/cases/${encodeURIComponent(number)}/${event}`); }
  nextWork() { return this.post("/desk/next-work"); }
  phone() { return this.get(`/agents/${this.agent}/phone`); }
  card(call) { return this.get(`/calls/${encodeURIComponent(call)}/card`); }
}
