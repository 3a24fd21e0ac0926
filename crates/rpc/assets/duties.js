// What its own validators had to do, and when they did it.
import { el, setText } from "./dom.js";
import { TablePanel } from "./panel.js";
import { duration, number, plural, some, within } from "./format.js";

const SHOWN = 24;
const TONES = { done: "good", late: "warn", missed: "bad" };

export class DutiesPanel extends TablePanel {
	constructor() {
		super("duties", "Duties", ["Slot", "Duty", "Outcome", "After its tick", "Validators"]);
		this.next = el("p.words");
		this.body.prepend(this.next);
	}

	render(node) {
		const local = node.info?.validators;
		this.say(local ? plural(local.length, "validator") : "");
		setText(this.next, local?.length ? upcoming(node, local) : "");
		this.show(node.duties.slice(0, SHOWN).map((duty) => [
			number(duty.slot), duty.kind === "proposal" ? { text: "block", class: "strong" } : "vote",
			{ text: duty.outcome, class: TONES[duty.outcome] }, within(duty.delay_ms), some(duty.validators ?? []),
		]), local?.length === 0 ? "This node signs for no validator: it only watches." : "No duty has been done since this page was opened.");
	}
}

function upcoming({ clock, validators }, local) {
	if (!clock.known || !validators) return "";
	const current = clock.current;
	// Proposers take turns by slot.
	const wait = Math.min(...local.map((v) => (((v - current - 1) % validators) + validators) % validators)) + 1;
	return `Next block of its own in slot ${number(current + wait)}, in ${duration((clock.start(current + wait) - clock.now()) / 1000)}.`;
}
