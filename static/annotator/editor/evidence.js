// Evidence: recorded values that speak for or against an answer, each a chip that leads to the exact bytes.

import { ApiError, getJson, send } from "../api.js";
import { byId, make } from "../dom.js";
import { ago, distance, duration, moment } from "../format.js";
import { toast } from "../toast.js";
import { keyed } from "./show.js";

const COMPUTED = ["distance_bearing", "open_at"];

const steps = (pointer) =>
  pointer
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));

// The values along a JSON pointer, the whole first.
function along(result, pointer) {
  const passed = [result];
  for (const step of steps(pointer)) passed.push(passed.at(-1)?.[step]);
  return passed;
}

const placeAt = (answer, pointer) => along(answer.result, pointer).findLast((value) => typeof value?.pid === "string");

// A value in words: with its unit where its name says one.
export function inWords(value, pointer) {
  if (typeof value === "number" && pointer.endsWith("_m")) return distance(value);
  if (typeof value === "number" && pointer.endsWith("_s")) return duration(value);
  if (typeof value === "object" && value !== null)
    return value.raw ?? value.weekdays?.join("; ") ?? value.name ?? JSON.stringify(value);
  return String(value);
}

function name(pointer) {
  const parts = steps(pointer).filter((step) => !/^\d+$/.test(step));
  return parts.slice(parts[0] === "places" || parts[0] === "place" ? 1 : 0).join(".") || parts.join(".") || "all of it";
}

const short = (text, most = 160) => (text.length > most ? `${text.slice(0, most)}…` : text);

// form: { content(), change(patch), doc(), canWrite() }; options and gold: where "use as option" puts a value.
export function wireEvidence(bench, form, { options, gold, announce }) {
  const list = byId("evidence");
  const role = byId("evidence-role");
  const write = (key, patch) =>
    form.change({ evidence: form.content().evidence.map((item) => (item.key === key ? { ...item, ...patch } : item)) });

  async function attach(answer, pointer, option_key) {
    const doc = form.doc();
    if (!answer.id) {
      toast("This answer was not recorded, so it cannot be evidence.", { isBad: true });
      return;
    }
    bench.answers.set(answer.id, answer);
    const there = doc.content.evidence.find(
      (item) => item.tool_call_id === answer.id && item.pointer === pointer && (item.option_key ?? null) === option_key,
    );
    if (there) {
      announce("This value is evidence already.");
      return;
    }
    try {
      const made = await send("POST", bench.api("/evidence"), {
        tool_call_id: answer.id,
        pointer,
        role: role.value,
        option_key,
      });
      const keys = new Set(doc.content.evidence.map(({ key }) => key));
      const key = keys.has(made.key) ? `e${Math.random().toString(36).slice(2, 10)}` : made.key;
      doc.change({ evidence: [...doc.content.evidence, { ...made, key }] });
      announce(`Evidence attached: ${name(pointer)}.`);
      return { doc, key };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(`Not attached: ${error.message}`, { isBad: true });
    }
  }

  // What is computed here is computed for the question that is open, so it becomes evidence of it by itself.
  async function recordComputed({ answer, isFresh }) {
    if (!isFresh || !COMPUTED.includes(answer.tool) || !form.doc() || !form.canWrite()) return;
    const attached = await attach(answer, "", null);
    if (!attached) return;
    const { doc, key } = attached;
    toast("This result is evidence of the open question now.", {
      action: "Undo",
      run: () => doc.change({ evidence: doc.content.evidence.filter((item) => item.key !== key) }),
    });
  }

  function use({ answer, pointer, value, how }) {
    if (how !== "evidence" && how !== "option") return;
    if (!form.doc()) {
      toast("Open a question, or press N for a new one: the value goes into it.");
      return;
    }
    if (!form.canWrite()) return;
    if (how === "evidence") {
      attach(answer, pointer, null);
      return;
    }
    const { type } = form.content();
    if (type === "open_ended") {
      if (gold.use(value)) attach(answer, pointer, null);
      else toast("This kind of answer cannot hold that value.", { isBad: true });
    } else if (type === "yes_no") {
      toast("A yes or no question has no other options.", { isBad: true });
    } else {
      const place = placeAt(answer, pointer);
      const isPlace = place && /\/(name|pid)$|\/places?(\/\d+)?$/.test(pointer);
      const key = options.use(short(isPlace ? place.name : inWords(value, pointer), 2000), isPlace ? place.pid : null);
      if (key) attach(answer, pointer, key);
    }
  }
  bench.on("value", use);
  bench.on("answer", recordComputed);

  function build({ key }) {
    const words = make("a", { class: "evidence-value", dir: "auto" });
    const source = make("span", { class: "quiet" });
    const does = make(
      "select",
      { "aria-label": "What it does", onchange: () => write(key, { role: does.value }) },
      ...["supports", "refutes", "distractor"].map((value) => make("option", { value }, value)),
    );
    const about = make("select", {
      "aria-label": "What it is about",
      onchange: () => write(key, { option_key: about.value || null }),
    });
    const drop = make("button", { type: "button", class: "quiet-button" }, "✕");
    drop.addEventListener("click", () => {
      const { evidence } = form.content();
      const doc = form.doc();
      const gone = evidence.find((item) => item.key === key);
      form.change({ evidence: evidence.filter((item) => item.key !== key) });
      byId("evidence-mode").focus();
      toast("Evidence removed.", {
        action: "Undo",
        run: () => doc.change({ evidence: [...doc.content.evidence, gone] }),
      });
    });
    const element = make(
      "li",
      { class: "evidence" },
      make("div", { class: "evidence-head" }, words, drop),
      make("div", { class: "tools-row" }, does, about, source),
      make("ul", { class: "lint", "data-lint": `evidence.${key}`, "aria-label": "About this evidence" }),
    );
    return {
      element,
      show(item) {
        const answer = bench.answers.get(item.tool_call_id);
        const place = answer && placeAt(answer, item.pointer);
        const value = short(typeof item.value === "string" ? `"${item.value}"` : inWords(item.value, item.pointer));
        const of = place?.name && !item.pointer.endsWith("/name") ? `${place.name}: ` : "";
        words.textContent = `${of}${name(item.pointer)} → ${value}`;
        words.href = `/x/${item.result_sha}#${encodeURI(item.pointer)}`;
        words.title = "The exact recorded bytes, with this value highlighted";
        drop.setAttribute("aria-label", `Remove the evidence ${words.textContent}`);
        does.value = item.role;
        element.dataset.role = item.role;
        const wanted = ["", ...form.content().options.map((option) => option.key)];
        about.hidden = wanted.length === 1;
        const labels = wanted.map((option, index) => (option ? `option ${index}` : "whole question"));
        if (labels.join() !== [...about.options].map(({ text }) => text).join())
          about.replaceChildren(...wanted.map((option, index) => make("option", { value: option }, labels[index])));
        wanted.forEach((option, index) => (about.options[index].value = option));
        about.value = item.option_key ?? "";
        const at = answer?.provenance.exchanges[0]?.fetched_at;
        source.textContent = answer ? `${answer.provenance.provider}${at ? `, ${moment(at)}` : ""}` : "";
        source.title = at ? ago(at) : "";
      },
    };
  }

  const showEvidence = keyed(list, build);
  const asked = new Set();
  return {
    show(content) {
      showEvidence(content.evidence);
      byId("evidence-empty").hidden = content.evidence.length > 0;
      const missing = content.evidence.filter(({ tool_call_id: id }) => !bench.answers.has(id) && !asked.has(id));
      for (const { tool_call_id: id } of missing) {
        asked.add(id);
        getJson(bench.api(`/calls/${id}`)).then(
          (answer) => {
            bench.answers.set(id, answer);
            showEvidence(form.content()?.evidence ?? []);
          },
          // A call of elsewhere, or one that is no longer stored: the chip says its value all the same.
          (error) => {
            if (!(error instanceof ApiError)) throw error;
          },
        );
      }
    },
  };
}
