// A section of the page with a heading, a note beside it, and a body.
import { el, setText } from "./dom.js";

let next = 1;

export class Panel {
  constructor(title, { name = "", note = "" } = {}) {
    const id = `panel-${next++}`;
    this.note = el("p", { class: "note" }, note);
    this.body = el("div", { class: "body" });
    this.section = el("section", { class: `panel ${name}`, "aria-labelledby": id },
      el("div", { class: "title" }, el("h2", { id }, title), this.note), this.body);
  }

  say(text) {
    setText(this.note, text);
  }
}

/** A table in a box of its own, which scrolls by keyboard too where it is wider than the screen. */
export function tableIn(panel, columns, label) {
  const body = el("tbody");
  const head = el("tr", {}, ...columns.map((name) => el("th", { scope: "col" }, name)));
  const box = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, el("table", {}, el("thead", {}, head), body));
  const empty = el("p", { class: "empty" });
  panel.body.append(box, empty);
  return {
    body,
    /** Shows the table, or the words where there is nothing to show. */
    state(words) {
      box.hidden = Boolean(words);
      empty.hidden = !words;
      setText(empty, words || "");
    },
  };
}
