// JSON-RPC over one WebSocket that comes back by itself: calls with answers, subscriptions, and a watch over silence.

const FIRST_WAIT = 250;
/** A node that starts again is seen within this time. */
const LONGEST_WAIT = 1500;
const CALL_TIME = 8000;
/** Silence after which the node is asked for a sign of life, and how long that may take. */
const SILENCE = 1000;
const SIGN_OF_LIFE = 2500;
const MOST_PENDING = 128;

export class Feed {
  /** `handlers`: `open()`, `down()`, `event(topic, result)`, `dropped(message)`, `alive(lean_syncing's answer)`. */
  constructor(url, handlers) {
    const address = new URL(url, location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    this.address = address.href;
    this.handlers = handlers;
    this.pending = new Map();
    this.subscriptions = new Set();
    this.next = 1;
    this.wait = FIRST_WAIT;
    this.connect();
    this.watch = setInterval(() => this.lookForLife(), 500);
    this.hurry = () => {
      if (!document.hidden && !this.socket) this.connect();
    };
    document.addEventListener("visibilitychange", this.hurry);
    window.addEventListener("online", this.hurry);
  }

  get open() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    clearTimeout(this.timer);
    let socket;
    try {
      socket = new WebSocket(this.address);
    } catch {
      this.down();
      return;
    }
    this.socket = socket;
    this.since = performance.now();
    socket.onopen = () => {
      if (this.socket !== socket) return;
      this.wait = FIRST_WAIT;
      this.heard = performance.now();
      this.handlers.open();
    };
    socket.onmessage = ({ data }) => {
      if (this.socket !== socket) return;
      this.heard = performance.now();
      let message;
      try {
        message = JSON.parse(data);
      } catch {
        return;
      }
      this.receive(message);
    };
    socket.onclose = () => {
      if (this.socket === socket) this.down();
    };
  }

  receive(message) {
    if (message.method === "lean_subscription") {
      this.notified(message.params);
      return;
    }
    const call = this.pending.get(message.id);
    if (!call) return;
    this.pending.delete(message.id);
    clearTimeout(call.timer);
    if (message.error) call.reject(new Error(`${message.error.message} (${message.error.code})`));
    else call.resolve(message.result);
  }

  notified({ subscription, result, error } = {}) {
    if (error) {
      this.subscriptions.delete(subscription);
      this.handlers.dropped(error.message);
    } else if (result) {
      this.handlers.event(result.topic, result);
    }
  }

  call(method, params = [], time = CALL_TIME) {
    return new Promise((resolve, reject) => {
      if (!this.open || this.pending.size >= MOST_PENDING) {
        reject(new Error("not connected"));
        return;
      }
      const id = this.next++;
      const timer = setTimeout(() => {
        this.pending.delete(id);
        reject(new Error(`no answer to ${method}`));
      }, time);
      this.pending.set(id, { resolve, reject, timer });
      this.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  async subscribe(topics) {
    const id = await this.call("lean_subscribe", topics);
    this.subscriptions.add(id);
    return id;
  }

  unsubscribe(id) {
    if (this.subscriptions.delete(id)) this.call("lean_unsubscribe", [id]).catch(() => {});
  }

  lookForLife() {
    const now = performance.now();
    if (!this.open) {
      // A connection that neither opens nor fails: the machine is gone.
      if (this.socket && now - this.since > SIGN_OF_LIFE) this.down();
      return;
    }
    if (now - this.heard < SILENCE || this.asked) return;
    const { socket } = this;
    this.asked = true;
    this.call("lean_syncing", [], SIGN_OF_LIFE).then(
      (answer) => this.handlers.alive(answer),
      () => this.socket === socket && this.open && performance.now() - this.heard > SIGN_OF_LIFE && this.down(),
    ).finally(() => (this.asked = false));
  }

  down() {
    const { socket } = this;
    this.socket = null;
    socket?.close();
    this.subscriptions.clear();
    for (const { reject, timer } of this.pending.values()) {
      clearTimeout(timer);
      reject(new Error("the connection is gone"));
    }
    this.pending.clear();
    this.handlers.down();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
  }
}
