// Builds elements without ever reading text as HTML: names come from strangers.

export const byId = (id) => document.getElementById(id);

// make("a", { class: "link", href: "/x" }, "text", otherElement); what is missing or false is left out.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return element;
}

// A name in whichever script it is written.
export const named = (tag, text, attributes = {}) => make(tag, { dir: "auto", ...attributes }, text);

export const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
