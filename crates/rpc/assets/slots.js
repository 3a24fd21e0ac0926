// The node's clock as seen from here.

/** A smaller difference is the way here, not another clock. */
const ON_THE_WAY = 100;
const SAMPLES = 64;

export class SlotClock {
	genesisMs = null;
	slotMs = 4000;
	samples = [];
	offset = 0;

	set({ genesis_time: time, slot_duration_ms: duration }) {
		this.genesisMs = time * 1000;
		if (duration > 0) this.slotMs = duration;
	}

	/** An event that the node dates `at` has just come; the least delayed one tells how the clocks differ. */
	sample(at) {
		if (!Number.isFinite(at)) return;
		this.samples.push(at - Date.now());
		if (this.samples.length > SAMPLES) this.samples.shift();
		this.offset = Math.max(...this.samples);
	}

	now() {
		return Date.now() + (Math.abs(this.offset) > ON_THE_WAY ? this.offset : 0);
	}

	get known() {
		return this.genesisMs !== null;
	}

	/** Negative before genesis. */
	slot() {
		return this.known ? Math.floor((this.now() - this.genesisMs) / this.slotMs) : 0;
	}

	get current() {
		return Math.max(0, this.slot());
	}

	start(slot) {
		return this.genesisMs + slot * this.slotMs;
	}

	/** 0 to 1. */
	part() {
		return this.known ? Math.max(0, (this.now() - this.start(this.slot())) / this.slotMs) : 0;
	}
}
