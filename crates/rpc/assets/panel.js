// A section of the page, which may be a table.
import { el, setRows, setText } from "./dom.js";

export class Panel {
	constructor(name, title, note = "") {
		const heading = el("h2", { id: `${name}-title` }, title);
		this.note = el("p.note", note);
		this.body = el("div.body");
		this.section = el(`section.panel.${name}`, { "aria-labelledby": heading.id }, el("div.title", heading, this.note), this.body);
	}

	say(text) {
		setText(this.note, text);
	}
}

/** In a box that scrolls, by keyboard too. */
export class Table {
	constructor(label, columns) {
		this.body = el("tbody");
		const head = el("tr", ...columns.map((name) => el("th", { scope: "col" }, name)));
		this.box = el("div.scroll", { tabindex: 0, role: "region", "aria-label": label }, el("table", el("thead", head), this.body));
	}
}

export class TablePanel extends Panel {
	constructor(name, title, columns) {
		super(name, title);
		this.table = new Table(title, columns);
		this.empty = el("p.empty");
		this.body.append(this.table.box, this.empty);
	}

	/** The words are shown where there is no row. */
	show(rows, words) {
		this.table.box.hidden = !rows.length;
		this.empty.hidden = rows.length > 0;
		setText(this.empty, words);
		setRows(this.table.body, rows);
	}
}
