// Who can be asked: those that are enabled, have the tool and are allowed here; of the others, what keeps them off.

import { byId, make } from "../dom.js";
import { count } from "../format.js";

const LOCAL = { local: "Computed here" };

export class Providers {
  // allowed: keys that the project allows; none allows all.
  constructor({ providers, default: standard }, tools, allowed) {
    this.all = providers;
    this.standard = standard;
    this.allowed = allowed;
    this.tools = new Map(tools.map((tool) => [tool.name, tool]));
    this.titles = new Map([...Object.entries(LOCAL), ...providers.map(({ key, title }) => [key, title])]);
    this.picker = make("select", { id: "provider", name: "provider" });
    this.element = make("div", { class: "field thin" }, make("label", { for: "provider" }, "Provider"), this.picker);
    this.chosen = standard;
    this.picker.addEventListener("change", () => {
      this.chosen = this.picker.value;
    });
  }

  isAllowed = ({ key }) => !this.allowed.length || this.allowed.includes(key);

  ready(tool) {
    const keys = this.tools.get(tool)?.providers ?? [];
    return this.all.filter((provider) => keys.includes(provider.key) && this.isAllowed(provider));
  }

  reasons(provider, tool) {
    return [
      ...provider.missing,
      ...(this.isAllowed(provider) ? [] : ["This project’s settings do not allow it."]),
      ...(provider.tools.includes(tool) ? [] : ["It does not answer this tool."]),
    ];
  }

  show(tool) {
    const ready = this.ready(tool);
    const isLocal = !this.all.some((provider) => provider.tools.includes(tool));
    this.element.hidden = isLocal;
    this.picker.replaceChildren(...ready.map(({ key, title }) => make("option", { value: key }, title)));
    const chosen = [this.chosen, this.standard].find((key) => ready.some((provider) => provider.key === key));
    this.picker.value = chosen ?? ready[0]?.key ?? "";
    byId("providers").querySelector("summary").textContent = isLocal
      ? "Computed here: no provider is asked"
      : `Providers: ${ready.length} ready, ${this.all.length - ready.length} off`;
    byId("provider-list").replaceChildren(this.list(tool, ready));
  }

  // Whom to ask; undefined for what is computed here.
  get key() {
    return this.element.hidden ? undefined : this.picker.value || undefined;
  }

  // Asks the one who answered a call, if it can be asked now.
  choose(key) {
    this.chosen = key;
    if ([...this.picker.options].some((option) => option.value === key)) this.picker.value = key;
  }

  list(tool, ready) {
    return make(
      "ul",
      {},
      ...this.all.map((provider) => {
        const isReady = ready.includes(provider);
        const reasons = this.reasons(provider, tool);
        return make(
          "li",
          {},
          make(
            "p",
            {},
            make("strong", {}, provider.title),
            make("span", { class: isReady ? "badge ok" : "badge" }, isReady ? "ready" : "off"),
          ),
          reasons.length > 0 && make("ul", { class: "quiet" }, ...reasons.map((text) => make("li", {}, text))),
          make(
            "p",
            { class: "quiet" },
            `${count(provider.tools.length, "tool")} · ${provider.attribution} (${provider.licence})`,
          ),
        );
      }),
    );
  }
}
