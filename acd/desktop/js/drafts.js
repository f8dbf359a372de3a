// What is typed, kept in this browser until the card with it is stored. One draft per call and agent.
//
// draft = {agent, call, card, firm, form, pop, fields, prefilled, sent, started, touched}
//   sent: the fields as last accepted by the server (JSON), until the stored card is seen to hold them

const PREFIX = "acd.draft.";
const memory = new Map(); // a browser that refuses storage still has this until the reload

export let keeps = true;

const key = (agent, call) => `${PREFIX}${agent}.${call}`;

export function write(draft) {
  const name = key(draft.agent, draft.call);
  const text = JSON.stringify(draft);
  memory.set(name, text);
  try {
    localStorage.setItem(name, text);
    keeps = true;
  } catch {
    keeps = false;
  }
}

export function read(agent, call) {
  return parse(recall(key(agent, call)));
}

export function remove(agent, call) {
  memory.delete(key(agent, call));
  try { localStorage.removeItem(key(agent, call)); } catch { /* nothing was kept */ }
}

/** All drafts of this agent, oldest first. */
export function all(agent) {
  const names = new Set(memory.keys());
  try {
    for (let n = 0; n < localStorage.length; n += 1) names.add(localStorage.key(n));
  } catch { /* memory has what there is */ }
  return [...names].filter((name) => name.startsWith(`${PREFIX}${agent}.`))
    .map((name) => parse(recall(name))).filter((draft) => draft !== null)
    .sort((a, b) => a.started - b.started);
}

function recall(name) {
  try { return localStorage.getItem(name) ?? memory.get(name) ?? null; } catch { return memory.get(name) ?? null; }
}

function parse(text) {
  try {
    const draft = JSON.parse(text);
    return draft && typeof draft.call === "string" && draft.form && draft.fields ? draft : null;
  } catch {
    return null;
  }
}

/** The agent typed or chose something himself. */
export const typed = (draft) => JSON.stringify(draft.fields) !== JSON.stringify(draft.prefilled);

/** Something is typed that no server has accepted yet. */
export const unsaved = (draft) => typed(draft) && JSON.stringify(draft.fields) !== draft.sent;

/** Tell whether another tab's change of storage is about this draft; returns it then. */
export function fromEvent(event, draft) {
  return draft && event.key === key(draft.agent, draft.call) ? parse(event.newValue) : null;
}
