// What happened that one may have missed: reorganisations, double signatures, silences.
import { el, setText } from "./dom.js";
import { Panel } from "./panel.js";
import { clock } from "./format.js";

export class LogPanel {
  constructor() {
    this.panel = new Panel("Events", { name: "log" });
    this.list = el("ol", { class: "log" });
    this.empty = el("p", { class: "empty" }, "Nothing out of the ordinary since this page was opened.");
    const box = el("div", { class: "scroll tall", tabindex: 0, role: "region", "aria-label": "Events" }, this.list);
    this.panel.body.append(this.empty, box);
    this.box = box;
  }

  render(log) {
    this.empty.hidden = log.length > 0;
    this.box.hidden = !log.length;
    while (this.list.children.length > log.length) this.list.lastChild.remove();
    log.forEach(({ at, tone, text }, i) => {
      const row = this.list.children[i] ?? this.list.appendChild(el("li", {}, el("time"), el("span")));
      row.className = tone;
      setText(row.firstChild, clock(at));
      setText(row.lastChild, text);
    });
  }
}
