// Elements. Text is always a text node, never markup: what a node tells may be a stranger's choice.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

/** `el("p.words", { id: "now" }, "text")`; attributes may be left out. */
export const el = (tag, ...rest) => make((name) => document.createElement(name), tag, rest);
export const svg = (tag, ...rest) => make((name) => document.createElementNS(SVG, name), tag, rest);

function make(create, tag, rest) {
	const [name, ...classes] = tag.split(".");
	const element = create(name);
	if (classes.length) element.classList.add(...classes);
	if (rest[0]?.constructor === Object) set(element, rest.shift());
	element.append(...rest.filter((child) => child !== undefined));
	return element;
}

/** Sets what differs; false, null and undefined take away, functions are handlers. */
export function set(element, attributes) {
	for (const [name, value] of Object.entries(attributes)) {
		if (typeof value === "function") element.addEventListener(name.slice(2), value);
		else if (value === false || value === null || value === undefined) element.removeAttribute(name);
		else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : value);
	}
}

/** Nothing is laid out or read aloud in vain. */
export function setText(element, text) {
	const next = String(text);
	if (element.textContent !== next) element.textContent = next;
}

/** Whether what is drawn in an element is out of date: one of the values is another, or its size, or the theme. */
export function outdated(element, ...values) {
	const state = [...values, element.clientWidth, document.documentElement.dataset.theme].join();
	const before = element.state;
	element.state = state;
	return state !== before;
}

/** One child for each item; those that are there stay. */
export function fit(parent, items, make, update) {
	while (parent.children.length > items.length) parent.lastChild.remove();
	items.forEach((item, i) => update(parent.children[i] ?? parent.appendChild(make(i)), item, i));
}

/** A cell: a text, or `{text, class, title}`. */
export function setRows(body, rows) {
	const cell = (i) => (i ? el("td") : el("th", { scope: "row" }));
	fit(body, rows, () => el("tr"), (row, cells) => fit(row, cells, cell, (at, told) => {
		const { text, ...more } = told?.constructor === Object ? told : { text: told };
		setText(at, text ?? "–");
		set(at, { class: null, title: null, ...more });
	}));
}
