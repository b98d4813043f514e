// Makes elements. Text becomes text nodes: whatever a title holds, it is never read as HTML.

/**
 * An element with properties and children. `on` holds listeners by event name, `data` and `vars` data attributes and
 * CSS variables; `true` is an attribute without a value, and false, null or undefined leave an attribute out.
 */
export function h(tag, { on = {}, data = {}, vars = {}, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  for (const [name, value] of Object.entries(data)) element.dataset[name] = value;
  for (const [name, value] of Object.entries(vars)) element.style.setProperty(`--${name}`, value);
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Replace what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child != null && child !== false));
}

/** A number for reading: few digits, never "1e-7". */
export function short(value, digits = 1) {
  return Number(value).toLocaleString("en", { maximumFractionDigits: digits });
}

export const milliseconds = (value) => `${short(value, value < 10 ? 1 : 0)} ms`;

export const percent = (share, digits = 0) => `${short(100 * share, digits)} %`;

/** Seconds since 1970 as day and time of this browser's clock. */
export const moment = (time) => new Date(1000 * time).toLocaleString("en-GB", { dateStyle: "short", timeStyle: "medium" });
