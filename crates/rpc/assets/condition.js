// A node's condition in a word, its colour, and a sentence.
import { duration, number, plural } from "./format.js";

/** Finality is this far behind the head when all is well (3), and while a vote or two come late. */
const HEALTHY_LAG = 6;

export function condition(node) {
  const { clock } = node;
  if (node.link === "down") {
    const since = node.lastHeard ? `silent for ${duration((Date.now() - node.lastHeard) / 1000)}` : "no connection yet";
    return { key: "dead", tone: "bad", word: "Does not answer", text: `${since}; trying again` };
  }
  if (node.link !== "up" || !node.sync) return { key: "connecting", tone: "soft", word: "Connecting", text: "asking the node" };
  const { state, distance, slots_per_second: speed, seconds_left: left } = node.sync;
  const lag = node.lag;
  switch (state) {
    case "starting":
      if (clock.known && clock.now() < clock.genesisMs) {
        return { key: "starting", tone: "just", word: "Starting", text: `genesis in ${duration((clock.genesisMs - clock.now()) / 1000)}` };
      }
      return { key: "starting", tone: "just", word: "Starting", text: "waiting to hear how far the chain goes" };
    case "syncing": {
      const pace = speed ? `, ${number(speed)} slots/s` : "";
      const rest = Number.isFinite(left) ? `, ${duration(left)} left` : "";
      return { key: "syncing", tone: "just", word: "Syncing", text: `${plural(distance, "slot")} to go${pace}${rest}` };
    }
    case "cut_off":
      return { key: "cut_off", tone: "bad", word: "Cut off", text: "no peers, and too few validators of its own to go on alone" };
    case "stalled":
      return { key: "stalled", tone: "bad", word: "Stalled", text: `no progress: head at slot ${number(node.head?.slot)}, finality ${plural(lag, "slot")} behind` };
    case "synced":
      if (lag > HEALTHY_LAG) return { key: "lagging", tone: "warn", word: "Synced", text: `but finality is ${plural(lag, "slot")} behind` };
      return { key: "healthy", tone: "good", word: "Healthy", text: `synced, finality ${plural(lag, "slot")} behind` };
    default:
      return { key: "unknown", tone: "warn", word: String(state).slice(0, 24), text: "a condition this page does not know" };
  }
}
