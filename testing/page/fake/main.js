// A fake network to look at while the page is worked on: `npm run fake -- --validators 64 --late-blocks 0.1`.
import { parseArgs } from "node:util";
import { Network } from "./network.js";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "4" },
    validators: { type: "string", default: "64" },
    "slot-ms": { type: "string", default: "4000" },
    "late-blocks": { type: "string", default: "0.08" },
    "late-votes": { type: "string", default: "0.02" },
    "empty-slots": { type: "string", default: "0.03" },
  },
});
const network = await new Network({
  nodes: Number(values.nodes), validators: Number(values.validators), slotMs: Number(values["slot-ms"]),
  lateBlocks: Number(values["late-blocks"]), lateVotes: Number(values["late-votes"]), emptySlots: Number(values["empty-slots"]),
}).start();
console.log(`all nodes: ${network.url}`);
for (const node of network.nodes) console.log(`${node.name}: ${node.server.url}`);
console.log("p: partition, h: heal, k: kill the last node, r: start it again");
process.stdin.on("data", (data) => {
  const last = network.nodes.length - 1;
  const half = network.nodes.length >> 1;
  const indices = network.nodes.map((_, i) => i);
  for (const key of data.toString().trim()) {
    if (key === "p") network.partition([indices.slice(0, half), indices.slice(half)]);
    if (key === "h") network.heal();
    if (key === "k") network.kill(last);
    if (key === "r") network.restart(last);
  }
});
