// Dark or light: as the system says until the reader chooses.
import { forgetPalette, setText } from "./dom.js";

const KEY = "quartet-theme";
const system = window.matchMedia("(prefers-color-scheme: light)");

function chosen() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export class Theme {
  constructor(button, changed) {
    this.button = button;
    this.changed = changed;
    button.addEventListener("click", () => this.toggle());
    system.addEventListener("change", () => this.apply());
    this.apply();
  }

  get name() {
    return chosen() ?? (system.matches ? "light" : "dark");
  }

  toggle() {
    try {
      localStorage.setItem(KEY, this.name === "dark" ? "light" : "dark");
    } catch {
      return;
    }
    this.apply();
  }

  apply() {
    const { name } = this;
    document.documentElement.dataset.theme = name;
    setText(this.button, name === "dark" ? "Light" : "Dark");
    forgetPalette();
    this.changed(name);
  }
}
