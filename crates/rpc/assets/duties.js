// What the node's own validators had to do, and how soon they did it.
import { el, setRows, setText } from "./dom.js";
import { Panel, tableIn } from "./panel.js";
import { duration, number, plural, some, within } from "./format.js";

const SHOWN = 24;
const TONES = { done: "good", late: "warn", missed: "bad" };

export class DutiesPanel {
  constructor() {
    this.panel = new Panel("Duties", { name: "duties" });
    this.next = el("p", { class: "words" });
    this.panel.body.append(this.next);
    this.table = tableIn(this.panel, ["Slot", "Duty", "Outcome", "After its tick", "Validators"], "Duties");
  }

  render(node) {
    const local = node.info?.validators;
    this.panel.say(local ? plural(local.length, "validator") : "");
    setText(this.next, local?.length ? this.upcoming(node, local) : "");
    const none = local && !local.length ? "This node signs for no validator: it only watches." : "No duty has been done since this page was opened.";
    this.table.state(node.duties.length ? "" : none);
    setRows(this.table.body, node.duties.slice(0, SHOWN).map((duty) => [
      number(duty.slot), duty.kind === "proposal" ? { text: "block", class: "strong" } : "vote",
      { text: duty.outcome, class: `tag ${TONES[duty.outcome] ?? ""}` },
      Number.isFinite(duty.delay_ms) ? within(duty.delay_ms) : "–",
      { text: some(duty.validators ?? []), class: "left" },
    ]));
  }

  upcoming(node, local) {
    const { clock, validators } = node;
    if (!clock.known || !validators) return "";
    const current = Math.max(0, clock.slot());
    // Proposers take turns by slot.
    const wait = Math.min(...local.map((v) => (((v - current - 1) % validators) + validators) % validators)) + 1;
    return `Next block of its own in slot ${number(current + wait)}, in ${duration((clock.start(current + wait) - clock.now()) / 1000)}.`;
  }
}
