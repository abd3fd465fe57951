// What can be done with an answer and its rows: look closer, ask again, fill a form, take it into the context.

import { say } from "./asker.js";
import { summaryOf } from "./words.js";

// Tools that go from one place to another.
const WAYS = ["compute_routes", "search_along_route", "distance_bearing"];

// centre: shows answers; its desk asks for them.
export function makeActions(centre) {
  const { desk, showTab } = centre;
  const { bench } = desk;

  const run = (words, tool, params, options, retry) =>
    desk.ask.run(words, (signal) => desk.ask.call(tool, params, { ...options, signal }), { retry });

  const whole = (place, retry) =>
    run("Opening…", "place_details", { place_id: place.pid }, { provider: place.provider }, retry);

  async function details(place) {
    const answer = await whole(place, () => details(place));
    if (answer) centre.arrive(answer);
  }

  async function add(place) {
    const answer = await whole(place, () => add(place));
    if (!answer) return;
    say(summaryOf(answer), { isBad: !answer.result.place });
    if (answer.result.place) bench.emit("add", { answer });
  }

  async function openNow(place) {
    // To the minute: the same question within it is answered from the recording.
    const at = `${new Date().toISOString().slice(0, 16)}:00Z`;
    const params = { opening_hours: place.opening_hours.raw, at, lat: place.lat, lon: place.lon };
    const answer = await run("Reading the hours…", "open_at", params, {}, () => openNow(place));
    if (answer) centre.arrive(answer);
  }

  async function again() {
    const { tool, params, provider } = centre.answer;
    const answer = await run("Asking again…", tool, params, { provider, mode: "refresh" }, again);
    if (answer) centre.arrive(answer, { isBack: true });
  }

  return {
    canWrite: centre.canWrite,
    details,
    add,
    openNow,
    again,
    choose: (index) => centre.choose(index),
    addAnswer: () => bench.emit("add", { answer: centre.answer }),
    // One of several routes: the others are rows that the context leaves out.
    addRoute(index) {
      const others = [...centre.answer.result.routes.keys()].filter((other) => other !== index);
      bench.emit("add", { answer: centre.answer, hidden: others.map((other) => `/routes/${other}`) });
    },
    // Puts the call into its form, to be changed and asked as another.
    edit() {
      const { tool, params, provider } = centre.answer;
      desk.providers.choose(provider);
      const form = desk.panel.open(tool, params);
      showTab("tools");
      form.focus();
    },
    // name: "origin" or "destination" of the way that is being asked for.
    put(place, name) {
      const { panel } = desk;
      const tool = WAYS.includes(panel.tool) ? panel.tool : "compute_routes";
      showTab("tools");
      panel.put(tool, name, place);
      const fields = panel.form(tool).fields;
      const empty = ["origin", "destination"].map((end) => fields.get(end)).find((field) => !field.value);
      if (empty) empty.input.focus();
      else panel.submit();
    },
  };
}
