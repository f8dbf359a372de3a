// Every word of the page, in Russian and English; both are loaded at the start, so switching needs no network.

const LANGUAGES = ["ru", "en"];
const books = {};
let language = "ru";

export async function loadWords() {
  const answers = await Promise.all(LANGUAGES.map((code) => fetch(`i18n/${code}.json`).then((a) => a.json())));
  LANGUAGES.forEach((code, n) => { books[code] = answers[n]; });
  const kept = recall();
  choose(LANGUAGES.includes(kept) ? kept : (navigator.language || "").startsWith("ru") ? "ru" : "en");
}

function recall() {
  try { return localStorage.getItem("acd.language"); } catch { return null; }
}

export const current = () => language;

/** Return the word; `{name}` in it is replaced. A missing word shows its own name, so that a test sees it. */
export function word(name, values = {}) {
  const text = books[language]?.[name] ?? name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
}

/** Tell whether there is such a word. */
export const hasWord = (name) => name in (books[language] ?? {});

export function choose(code) {
  if (!LANGUAGES.includes(code)) return;
  language = code;
  try { localStorage.setItem("acd.language", code); } catch { /* a browser that keeps nothing */ }
  document.documentElement.lang = code;
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = word(element.dataset.word);
  }
  for (const element of document.querySelectorAll("[data-word-label]")) {
    element.setAttribute("aria-label", word(element.dataset.wordLabel));
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === code));
  }
}

export const time = (ms) =>
  new Date(ms).toLocaleTimeString(language === "ru" ? "ru-RU" : "en-GB", { hour: "2-digit", minute: "2-digit" });

export const dayAndTime = (ms) =>
  new Date(ms).toLocaleString(language === "ru" ? "ru-RU" : "en-GB",
    { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit" });

/** Minutes and seconds, hours when there are any. */
export function span(ms) {
  const all = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(all / 3600);
  const rest = `${two(Math.floor(all / 60) % 60)}:${two(all % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}
