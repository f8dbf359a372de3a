// The only place that makes elements. Data become text nodes or checked attributes, never markup.

export const byId = (id) => document.getElementById(id);

/** Return the address when it is a plain web, mail or telephone link; null otherwise (javascript:, data: ...). */
export function safeUrl(text) {
  const said = String(text ?? "");
  // Browsers skip tabs and line breaks inside a scheme; we refuse such an address altogether.
  if (said.length > 2000 || /[\u0000-\u001f\u007f]/.test(said)) return null;
  if (!/^(https?:\/\/|mailto:|tel:)/i.test(said)) return null;
  try {
    const url = new URL(said);
    return ["http:", "https:", "mailto:", "tel:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

const ATTRIBUTES = new Set([
  "id", "class", "type", "name", "value", "for", "role", "lang", "title", "tabindex", "maxlength", "min", "max",
  "step", "rows", "autocomplete", "inputmode", "spellcheck", "placeholder", "dir",
]);

/** Make an element. `attributes` are of a closed list, `aria-*` or `data-*`; children are text or elements. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "href") {
      const address = safeUrl(value);
      if (address !== null) {
        made.setAttribute("href", address);
        made.setAttribute("rel", "noopener noreferrer");
        made.setAttribute("target", "_blank");
      }
    } else if (ATTRIBUTES.has(name) || name.startsWith("aria-") || name.startsWith("data-")) {
      made.setAttribute(name, value === true ? "" : String(value));
    } else {
      throw new Error(`attribute ${name} is not on the list`);
    }
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Replace everything inside. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

/** A caller's text on the screen: its direction stays inside its own box. */
export function said(text, attributes = {}) {
  return el("bdi", attributes, String(text ?? ""));
}
