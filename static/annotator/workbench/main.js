// The workbench: makes the bench and starts its panes. Context and questions come from ../editor.

import { byId } from "../dom.js";
import { makeBench } from "./bench.js";

const { project, role } = document.body.dataset;
const bench = makeBench({ project, role, contextId: byId("panes").dataset.context });

const editor = await import("../editor/main.js");
editor.start(bench);
