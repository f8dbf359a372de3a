// The keyboard. Keys are read by their place (`code`), so they work in a Russian layout too.

import { byId, el, fill } from "./dom.js";
import { word } from "./words.js";

const LIST = [
  ["F2", "key_message"], ["Tab", "key_tab"], ["Alt 1 … 9", "key_phrase"], ["F4", "key_outcome"],
  ["F10", "key_phone"], ["Alt H", "key_hold"], ["Alt N", "key_mute"], ["F6", "key_transfer"], ["F7", "key_back"], ["Ctrl Enter", "key_save_ready"], ["Ctrl S", "key_save"], ["Alt M", "key_more"], ["Alt R", "key_record"], ["F9", "key_identity"],
  ["F8", "key_ready"], ["F3", "key_draft"], ["Alt W", "key_work"], ["F1", "key_help"], ["Esc", "key_escape"],
];

export function showKeys() {
  fill(byId("key-list"), LIST.flatMap(([key, name]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, word(name))]));
  byId("keys").showModal();
}

/** `verbs` by name; `inside`: somebody is logged in; `working`: a card is on the screen. */
export function listenToKeys(verbs, inside, working) {
  addEventListener("keydown", (event) => {
    if (!inside() || event.isComposing) return;
    if (byId("keys").open || byId("transfer-box").open) return;
    const run = verb(event, verbs, working());
    if (run) {
      event.preventDefault();
      run();
    }
  });
}

function verb(event, verbs, working) {
  const { code } = event;
  const control = event.ctrlKey || event.metaKey;
  if (control && !event.altKey && !event.shiftKey) {
    if (code === "KeyS") return working ? verbs.save : () => {};
    if ((code === "Enter" || code === "NumpadEnter") && working) return verbs.saveReady;
    return null;
  }
  if (event.altKey && !control && !event.shiftKey) {
    if (code === "KeyW" && !working) return verbs.work;
    if (code === "KeyH") return verbs.hold;
    if (code === "KeyN") return verbs.mute;
    if (code === "KeyM" && working) return verbs.moreTime;
    if (code === "KeyR" && working) return verbs.recording;
    const digit = /^Digit([1-9])$/.exec(code);
    return digit && working ? () => verbs.phrase(Number(digit[1]) - 1) : null;
  }
  if (control || event.altKey || event.shiftKey) return null;
  const plain = { F1: showKeys, F8: verbs.ready, F3: verbs.draft, F10: verbs.phone };
  const atWork = { F2: verbs.message, F4: verbs.outcome, F9: verbs.identity, F6: verbs.transfer, F7: verbs.back };
  return plain[code] ?? (working ? atWork[code] : null) ?? null;
}
