// A node's condition: a word, its colour, a sentence.
import { el, set, setText } from "./dom.js";
import { duration, number, plural } from "./format.js";

/** 3 when all is well, and so much while a vote or two come late. */
const HEALTHY_LAG = 6;

/** Where a verdict `{tone, word, text}` is shown. */
export class Verdict {
	constructor(tag) {
		[this.word, this.text] = [el(`${tag}.word`), el("p.why")];
	}

	show(root, { tone, word, text }) {
		set(root, { "data-tone": tone });
		setText(this.word, word);
		setText(this.text, text);
	}
}

export function condition({ clock, head, lag, lastHeard, link, sync }) {
	const say = (tone, word, text) => ({ tone, word, text });
	if (link === "down") {
		const since = lastHeard ? `silent for ${duration((Date.now() - lastHeard) / 1000)}` : "no connection yet";
		return say("bad", "Does not answer", `${since}; trying again`);
	}
	if (link !== "up" || !sync) return say("soft", "Connecting", "asking the node");
	const { state, distance, slots_per_second: speed, seconds_left: left } = sync;
	const behind = `${plural(lag, "slot")} behind`;
	switch (state) {
		case "starting": {
			const wait = clock.genesisMs - clock.now();
			return say("just", "Starting", wait > 0 ? `genesis in ${duration(wait / 1000)}` : "waiting to hear how far the chain goes");
		}
		case "syncing": {
			const pace = speed ? `, ${number(speed)} slots/s` : "";
			const rest = Number.isFinite(left) ? `, ${duration(left)} left` : "";
			return say("just", "Syncing", `${plural(distance, "slot")} to go${pace}${rest}`);
		}
		case "cut_off": return say("bad", "Cut off", "no peers, and too few validators of its own to go on alone");
		case "stalled": return say("bad", "Stalled", `no progress: head at slot ${number(head?.slot)}, finality ${behind}`);
		case "synced":
			return lag > HEALTHY_LAG ? say("warn", "Synced", `but finality is ${behind}`) : say("good", "Healthy", `synced, finality ${behind}`);
		default: return say("warn", String(state).slice(0, 24), "a condition this page does not know");
	}
}
