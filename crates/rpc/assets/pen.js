// Drawing in the theme's colours, named as in `style.css`.

let colours = {};

const style = (name) => (colours[name] ??= getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());

export function forgetColours() {
	colours = {};
}

/** `draw(pen, width, height)` is in CSS pixels. */
export function paint(canvas, draw) {
	const { clientWidth: width, clientHeight: height } = canvas;
	if (!width || !height) return;
	const scale = Math.min(window.devicePixelRatio || 1, 3);
	const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
	if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
	const context = canvas.getContext("2d");
	context.setTransform(scale, 0, 0, scale, 0, 0);
	context.clearRect(0, 0, width, height);
	draw(new Pen(context), width, height);
}

class Pen {
	constructor(context) {
		this.context = context;
	}

	box(colour, ...place) {
		this.context.fillStyle = style(colour);
		this.context.fillRect(...place);
	}

	text(colour, text, x, y, { align = "left", baseline = "alphabetic", size = 11 } = {}) {
		Object.assign(this.context, { fillStyle: style(colour), textAlign: align, textBaseline: baseline, font: `${size}px ${style("sans")}` });
		this.context.fillText(text, x, y);
	}

	fill(colour, shape, alpha = 1) {
		Object.assign(this.context, { fillStyle: style(colour), globalAlpha: alpha });
		this.context.beginPath();
		shape(this.context);
		this.context.fill();
		this.context.globalAlpha = 1;
	}

	stroke(colour, width, shape, dash = []) {
		Object.assign(this.context, { strokeStyle: style(colour), lineWidth: width });
		this.context.setLineDash(dash);
		this.context.beginPath();
		shape(this.context);
		this.context.stroke();
	}
}
