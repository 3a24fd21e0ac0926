// The node's clock as seen from here: which slot it is, and when in it.

export class SlotClock {
  constructor() {
    this.genesisMs = null;
    this.slotMs = 4000;
    this.samples = [];
    this.offset = 0;
  }

  set({ genesis_time: time, slot_duration_ms: duration }) {
    this.genesisMs = time * 1000;
    if (duration > 0) this.slotMs = duration;
  }

  /** An event that the node dates `at` has just come. The least delayed one of the last 64 tells how the clocks differ. */
  sample(at) {
    if (!Number.isFinite(at)) return;
    this.samples.push(at - Date.now());
    if (this.samples.length > 64) this.samples.shift();
    this.offset = Math.max(...this.samples);
  }

  forget() {
    this.samples = [];
  }

  now() {
    // Some milliseconds are the way here, not another clock.
    return Date.now() + (Math.abs(this.offset) > 100 ? this.offset : 0);
  }

  get known() {
    return this.genesisMs !== null;
  }

  /** The slot it is; negative before genesis. */
  slot(at = this.now()) {
    return this.known ? Math.floor((at - this.genesisMs) / this.slotMs) : 0;
  }

  start(slot) {
    return this.genesisMs + slot * this.slotMs;
  }

  /** How much of the slot has passed, 0 to 1. */
  part(at = this.now()) {
    return this.known ? Math.max(0, (at - this.start(this.slot(at))) / this.slotMs) : 0;
  }
}
