// HTTP and WebSocket around the fake nodes: the page's files as the node serves them, `nodes.json`, `/metrics`, JSON-RPC.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { WebSocketServer } from "ws";

const assets = new URL("../../../crates/rpc/assets/", import.meta.url);
const types = { html: "text/html; charset=utf-8", css: "text/css; charset=utf-8", js: "text/javascript; charset=utf-8", svg: "image/svg+xml" };

/** As `crates/rpc/src/page.rs` has it; its own test holds both together. */
export const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
  "connect-src 'self' http: https: ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
  "require-trusted-types-for 'script'; trusted-types 'none'";

async function serveFile(name, response) {
  try {
    const body = await readFile(new URL(name, assets));
    response.writeHead(200, {
      "content-type": types[name.split(".").pop()], "content-security-policy": POLICY, "x-content-type-options": "nosniff",
      "cache-control": "no-cache",
    });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
}

async function listen(handler, port) {
  const server = createServer(handler);
  for (let tries = 0; ; tries++) {
    try {
      await new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(port ?? 0, "127.0.0.1", () => { server.off("error", reject); resolve(); });
      });
      return server;
    } catch (error) {
      if (tries > 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function route(request, response, nodes, metrics) {
  const { pathname } = new URL(request.url, "http://node");
  response.setHeader("access-control-allow-origin", "*");
  if (pathname === "/") return serveFile("index.html", response);
  if (pathname.startsWith("/assets/")) return serveFile(pathname.slice("/assets/".length), response);
  if (pathname === "/nodes.json") return response.end(JSON.stringify(nodes()));
  if (pathname === "/metrics" && metrics) return response.end(metrics());
  response.writeHead(404).end();
}

export async function serveNode(node, port) {
  const server = await listen(
    (request, response) => route(request, response, () => [{ name: node.name, url: "/" }], () => node.metrics()),
    port,
  );
  const sockets = new WebSocketServer({ server, maxPayload: 1 << 20 });
  const connections = new Set();
  server.on("connection", (socket) => { connections.add(socket); socket.on("close", () => connections.delete(socket)); });
  const subscribers = new Map(); // socket → Map(id → topics)
  let next = 1;
  sockets.on("connection", (socket) => {
    subscribers.set(socket, new Map());
    socket.on("close", () => subscribers.delete(socket));
    socket.on("error", () => {});
    socket.on("message", (data) => {
      if (handle.frozen) return;
      const { id, method, params } = JSON.parse(data);
      let result;
      if (method === "lean_subscribe") {
        result = next++;
        subscribers.get(socket).set(result, new Set(params));
      } else if (method === "lean_unsubscribe") {
        result = subscribers.get(socket).delete(params[0]);
      } else {
        result = node.call(method, params);
      }
      const answer = result === undefined
        ? { jsonrpc: "2.0", id, error: { code: -32601, message: "Method not found" } }
        : { jsonrpc: "2.0", id, result };
      socket.send(JSON.stringify(answer));
    });
  });
  const handle = {
    port: server.address().port,
    get url() { return `http://127.0.0.1:${this.port}/`; },
    listening: true,
    /** As a stopped process is: connections stay, nothing is answered or told. */
    frozen: false,
    publish(topic, result) {
      if (this.frozen) return;
      for (const [socket, subscriptions] of subscribers) {
        for (const [subscription, topics] of subscriptions) {
          if (!topics.has(topic)) continue;
          socket.send(JSON.stringify({ jsonrpc: "2.0", method: "lean_subscription", params: { subscription, result } }));
        }
      }
    },
    /** Tells every subscriber that it fell behind. */
    dropSubscribers() {
      for (const [socket, subscriptions] of subscribers) {
        for (const subscription of subscriptions.keys()) {
          const error = { code: -32008, message: "too slow: 4096 events were waiting" };
          socket.send(JSON.stringify({ jsonrpc: "2.0", method: "lean_subscription", params: { subscription, error } }));
        }
        subscriptions.clear();
      }
    },
    kill() {
      this.listening = false;
      const closed = new Promise((resolve) => server.close(resolve));
      for (const connection of connections) connection.resetAndDestroy();
      return closed;
    },
  };
  return handle;
}

/** The devnet's own address: the same page, all nodes. */
export function serveSupervisor(network) {
  return servePage(() => network.nodes.map((node) => ({ name: node.name, url: node.server.url })));
}

/** The page from the working copy, for nodes that may be real ones. */
export async function servePage(nodes) {
  const server = await listen((request, response) => route(request, response, nodes, null));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => { server.closeAllConnections(); return new Promise((resolve) => server.close(resolve)); },
  };
}
