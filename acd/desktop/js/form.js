// The message form: typed fields drawn from their definition, phrases, problems, outcomes.

import { byId, el, fill, said } from "./dom.js";
import { hasWord, word } from "./words.js";

const CONTROL = {
  text: { tag: "input", type: "text" },
  lines: { tag: "textarea", rows: 3 },
  phone: { tag: "input", type: "tel", inputmode: "tel" },
  email: { tag: "input", type: "email" },
  number: { tag: "input", type: "text", inputmode: "decimal" },
  date: { tag: "input", type: "date" },
  time: { tag: "input", type: "time" },
  datetime: { tag: "input", type: "datetime-local" },
};

export class CardForm {
  /** `onChange(fields)` after every change by the person. */
  constructor(onChange) {
    this.onChange = onChange;
    this.form = null;
    this.inputs = new Map();
    this.shown = new Set();
    byId("card").addEventListener("submit", (event) => event.preventDefault());
  }

  /** Draw the form and put the values in. */
  open(form, values) {
    this.form = form;
    this.inputs.clear();
    this.shown.clear();
    this.tried = false;
    fill(byId("card"), form.fields.map((field) => this.#row(field)));
    fill(byId("outcome-list"), form.outcomes.map((outcome, n) => this.#outcome(outcome, n)));
    byId("form-title").textContent = form.title;
    this.set(values);
  }

  /** Put values in, but not where the person is typing. */
  set(values) {
    for (const [name, input] of this.inputs) {
      if (input !== document.activeElement) input.value = values[name] ?? "";
    }
    for (const radio of byId("outcome-list").querySelectorAll("input")) {
      radio.checked = radio.value === values.disposition;
    }
  }

  /** What is in the form now. */
  values() {
    const found = {};
    for (const [name, input] of this.inputs) found[name] = input.value;
    const chosen = byId("outcome-list").querySelector("input:checked");
    if (chosen) found.disposition = chosen.value;
    return found;
  }

  /** Show problems of fields the person has left; all of them when `all`. Returns how many there are. */
  show(problems, all = false) {
    this.tried ||= all; // what was missing at the last attempt stays marked until it is filled
    const by = new Map(problems.map((problem) => [problem.field, problem.code]));
    for (const [name, input] of this.inputs) {
      const code = by.get(name);
      if (all && code) this.shown.add(name);
      const visible = code && this.shown.has(name) && (this.tried || code !== "required");
      input.setAttribute("aria-invalid", String(Boolean(visible)));
      const place = byId(`problem-${name}`);
      place.textContent = visible ? (hasWord(`problem_${code}`) ? word(`problem_${code}`) : code) : "";
    }
    byId("outcomes").classList.toggle("missing", this.tried && by.has("disposition"));
    return problems.length;
  }

  /** Put the cursor where the next word belongs: the first problem, else the first empty field. */
  focusNext(problems = []) {
    const inputs = [...this.inputs];
    const code = new Map(problems.map((problem) => [problem.field, problem.code]));
    // Problems are as old as the last preview: what is filled by now is not missing any more.
    const wrong = inputs.find(([name, input]) => code.has(name) && (code.get(name) !== "required" || !input.value));
    const empty = inputs.find(([, input]) => !input.value && input.getAttribute("aria-required"))
      ?? inputs.find(([, input]) => !input.value);
    if (!wrong && code.has("disposition") && !this.values().disposition && code.size === 1) this.focusOutcome();
    else (wrong ?? empty ?? inputs[0])?.[1].focus();
  }

  focusOutcome() {
    const list = byId("outcome-list");
    (list.querySelector("input:checked") ?? list.querySelector("input"))?.focus();
  }

  /** Tell whether the cursor is in the form. */
  hasFocus() {
    return [...this.inputs.values()].includes(document.activeElement);
  }

  /** Where the cursor is, to be given to `goto` after the form was drawn anew; null when elsewhere. */
  place() {
    const found = [...this.inputs].find(([, input]) => input === document.activeElement);
    return found ? { name: found[0], start: found[1].selectionStart, end: found[1].selectionEnd } : null;
  }

  goto({ name, start, end }) {
    const input = this.inputs.get(name);
    input?.focus();
    if (typeof start === "number") input?.setSelectionRange?.(start, end);
  }

  /** Put the n-th ready-made phrase of the field at hand in, at the cursor. */
  phrase(n) {
    const named = [...this.inputs].find(([, input]) => input === document.activeElement)?.[0];
    const field = this.form?.fields.find((one) => one.name === named && one.phrases?.length)
      ?? this.form?.fields.find((one) => one.phrases?.length);
    const text = field?.phrases[n];
    if (text) this.#insert(field.name, text);
    return Boolean(text);
  }

  #insert(name, text) {
    const input = this.inputs.get(name);
    const at = input.selectionStart ?? input.value.length;
    const before = input.value.slice(0, at);
    const gap = before && !/\s$/.test(before) ? " " : "";
    const rest = input.value.slice(input.selectionEnd ?? at);
    input.value = before + gap + text + rest;
    if (input.selectionStart !== null) input.setSelectionRange(...Array(2).fill((before + gap + text).length));
    input.focus();
    this.onChange(this.values());
  }

  #row(field) {
    const id = `field-${field.name}`;
    const input = this.#input(field, id);
    this.inputs.set(field.name, input);
    input.addEventListener("input", () => this.onChange(this.values()));
    input.addEventListener("change", () => { this.shown.add(field.name); this.onChange(this.values()); });
    const label = el("label", { for: id }, said(field.label),
      field.required ? el("span", { class: "star", title: word("required") }, "*") : null);
    return el("div", { class: `row kind-${field.kind}` }, label,
      el("div", { class: "field" }, input,
        field.help ? el("p", { class: "quiet note", id: `help-${field.name}` }, said(field.help)) : null,
        this.#phrases(field),
        el("p", { class: "problem", id: `problem-${field.name}`, role: "alert" })));
  }

  #input(field, id) {
    const shared = {
      id, name: field.name, "aria-describedby": `problem-${field.name}${field.help ? ` help-${field.name}` : ""}`,
      "aria-required": field.required ? "true" : null,
    };
    if (field.kind === "choice" || field.kind === "yesno") {
      const choices = field.kind === "yesno" ? [["yes", word("yes")], ["no", word("no")]] : field.choices;
      return el("select", shared, el("option", { value: "" }, ""),
        choices.map(([value, label]) => el("option", { value }, label)));
    }
    const { tag, ...rest } = CONTROL[field.kind] ?? CONTROL.text;
    return el(tag, { ...shared, ...rest, maxlength: field.max_length, autocomplete: "off", dir: "auto" });
  }

  #phrases(field) {
    if (!field.phrases?.length) return null;
    const chips = field.phrases.map((text, n) => {
      // Out of the Tab order: the keys are Alt+1 … Alt+9, so that Tab goes from field to field.
      const chip = el("button", { type: "button", class: "chip", tabindex: "-1" },
        n < 9 ? el("kbd", {}, String(n + 1)) : null, said(text));
      chip.addEventListener("click", () => this.#insert(field.name, text));
      return chip;
    });
    return el("div", { class: "chips", role: "group", "aria-label": word("phrases") },
      el("span", { class: "quiet" }, "Alt +"), chips);
  }

  #outcome(outcome, n) {
    const id = `outcome-${n}`;
    const radio = el("input", { type: "radio", name: "disposition", id, value: outcome.value });
    radio.addEventListener("change", () => this.onChange(this.values()));
    return el("div", { class: "outcome" }, radio, el("label", { for: id }, said(outcome.label)));
  }
}
