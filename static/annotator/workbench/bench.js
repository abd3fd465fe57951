// What the panes of the workbench share: where they are, the answers seen, and events by which they speak.
//
// From tools, map and cards: answer {answer}, add {answer, kind?, hidden?, fields?}, value {answer, pointer, value, label,
// how: "evidence" | "option" | "copy" | "raw"}, place {answer, pointer, place}, light {answer, pointer, on}.
// From context and questions: show {answer, item, isOpening?, tab?}, light, evidence-mode {on},
// places [{pid, name, lat, lon}], positions [{lat, lon, name}] after which the stops of ways are called.

export function makeBench({ project, contextId, role }) {
  const events = new EventTarget();
  return {
    project,
    contextId,
    role,
    answers: new Map(), // Tool answers by the id of their recorded call.
    api: (path) => `/api/projects/${encodeURIComponent(project)}${path}`,
    // Gives a function that stops listening.
    on(event, listener) {
      const hear = ({ detail }) => listener(detail);
      events.addEventListener(event, hear);
      return () => events.removeEventListener(event, hear);
    },
    emit(event, detail) {
      events.dispatchEvent(new CustomEvent(event, { detail }));
    },
  };
}
