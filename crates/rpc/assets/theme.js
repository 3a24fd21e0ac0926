// Dark or light: as the system says until the reader chooses.
import { setText } from "./dom.js";
import { forgetColours } from "./pen.js";

const KEY = "quartet-theme";
const system = window.matchMedia("(prefers-color-scheme: light)");

/** Where a browser forbids it, the choice lasts as long as the page. */
function storage(use) {
	try {
		return use(localStorage);
	} catch {
		return null;
	}
}

let chosen = storage((store) => store.getItem(KEY));

const name = () => chosen ?? (system.matches ? "light" : "dark");

export class Theme {
	constructor(button, changed) {
		[this.button, this.changed] = [button, changed];
		button.addEventListener("click", () => this.toggle());
		system.addEventListener("change", () => this.apply());
		this.apply();
	}

	toggle() {
		chosen = name() === "dark" ? "light" : "dark";
		storage((store) => store.setItem(KEY, chosen));
		this.apply();
	}

	apply() {
		document.documentElement.dataset.theme = name();
		setText(this.button, name() === "dark" ? "Light" : "Dark");
		forgetColours();
		this.changed();
	}
}
