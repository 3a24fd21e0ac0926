// Numbers, times and roots as people read them; "–" for what is not known.

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const number = (value) => (Number.isFinite(value) ? grouped.format(value) : "–");

export const plural = (count, one) => `${number(count)} ${one}${count === 1 ? "" : "s"}`;

export function shortRoot(root) {
	return root?.length > 14 ? `${root.slice(0, 8)}…${root.slice(-4)}` : (root ?? "–");
}

export function bytes(value) {
	if (!Number.isFinite(value)) return "–";
	const units = ["B", "kB", "MB", "GB", "TB"];
	let unit = 0;
	while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
	return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** `3 d 4 h`, `12 s` */
export function duration(seconds) {
	if (!Number.isFinite(seconds)) return "–";
	const s = Math.max(0, Math.round(seconds));
	if (s < 60) return `${s} s`;
	if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
	if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
	return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** `1.04 s`, `84 ms` */
export function within(ms) {
	if (!Number.isFinite(ms)) return "–";
	return Math.abs(ms) < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

export function percent(part, whole) {
	return whole > 0 ? `${((100 * part) / whole).toFixed(part === whole ? 0 : 1)} %` : "–";
}

/** By the reader's clock. */
export const time = (at) => new Date(at).toLocaleTimeString("en-GB");

/** `3, 7 and 13 more` */
export function some(list, most = 6) {
	const rest = list.length > most ? ` and ${number(list.length - most)} more` : "";
	return list.slice(0, most).join(", ") + rest || "none";
}

/** A stranger's choice: not long, and printable. */
export function tame(text, most = 48) {
	const plain = String(text ?? "").replace(/[\p{C}\u2028\u2029]/gu, "�");
	return plain.length > most ? `${plain.slice(0, most - 1)}…` : plain;
}
