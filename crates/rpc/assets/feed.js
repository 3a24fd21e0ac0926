// JSON-RPC over a WebSocket that comes back by itself, and a watch over silence.

const FIRST_WAIT = 250;
const LONGEST_WAIT = 1500;
const CALL_TIME = 8000;
/** A frozen node is given up within two seconds in all. */
const SILENCE = 500;
const SIGN_OF_LIFE = 900;
const LOOK = 200;
const MOST_PENDING = 128;

export class Feed {
	pending = new Map();
	next = 1;
	wait = FIRST_WAIT;

	/** `handlers`: `open()`, `down()`, `event(topic, result)`, `dropped(message)`, `alive(sync)`. */
	constructor(url, handlers) {
		const address = new URL(url, location.href);
		address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
		this.address = address.href;
		this.handlers = handlers;
		this.connect();
		setInterval(() => this.lookForLife(), LOOK);
	}

	get open() {
		return this.socket?.readyState === WebSocket.OPEN;
	}

	connect() {
		let socket;
		try {
			socket = new WebSocket(this.address);
		} catch {
			this.down();
			return;
		}
		this.socket = socket;
		this.heard = performance.now();
		// A former socket does not count.
		const on = (event, handler) => socket.addEventListener(event, (told) => {
			if (this.socket !== socket) return;
			this.heard = performance.now();
			handler(told);
		});
		on("open", () => {
			this.wait = FIRST_WAIT;
			this.handlers.open();
		});
		on("close", () => this.down());
		on("message", ({ data }) => {
			let message;
			try {
				message = JSON.parse(data);
			} catch {
				return;
			}
			if (message.method === "lean_subscription") this.notified(message.params);
			else this.answered(message);
		});
	}

	answered({ id, error, result }) {
		const call = this.pending.get(id);
		if (!call) return;
		this.pending.delete(id);
		clearTimeout(call.timer);
		if (error) call.reject(new Error(`${error.message} (${error.code})`));
		else call.resolve(result);
	}

	notified({ result, error } = {}) {
		if (error) this.handlers.dropped(error.message);
		else if (result) this.handlers.event(result.topic, result);
	}

	async call(method, params = [], time = CALL_TIME) {
		if (!this.open || this.pending.size >= MOST_PENDING) throw new Error("not connected");
		const id = this.next++;
		this.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
		return new Promise((resolve, reject) => {
			const late = () => this.answered({ id, error: { message: `no answer to ${method}`, code: "late" } });
			this.pending.set(id, { resolve, reject, timer: setTimeout(late, time) });
		});
	}

	async lookForLife() {
		const { heard, socket } = this;
		const silent = performance.now() - heard;
		if (!socket || this.asked || silent < SILENCE) return;
		// Neither opens nor fails: the machine is gone.
		if (!this.open) {
			if (silent > SILENCE + SIGN_OF_LIFE) this.down();
			return;
		}
		this.asked = true;
		try {
			this.handlers.alive(await this.call("lean_syncing", [], SIGN_OF_LIFE));
		} catch {
			// An error is a sign of life, too.
			if (this.socket === socket && this.heard === heard) this.down();
		}
		this.asked = false;
	}

	down() {
		const { socket } = this;
		this.socket = null;
		socket?.close();
		for (const id of [...this.pending.keys()]) this.answered({ id, error: { message: "the connection is gone", code: "down" } });
		this.handlers.down();
		setTimeout(() => this.connect(), this.wait);
		this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
	}
}
