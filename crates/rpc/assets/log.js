// What one may have missed: reorganisations, double signatures, silences.
import { TablePanel } from "./panel.js";
import { time } from "./format.js";

export class LogPanel extends TablePanel {
	constructor() {
		super("log", "Events", ["When", "What"]);
	}

	render({ log }) {
		this.show(log.map(({ at, tone, text }) => [time(at), { text, class: tone }]), "Nothing out of the ordinary since this page was opened.");
	}
}
