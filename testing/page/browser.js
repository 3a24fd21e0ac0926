// Debian's Chromium under playwright's hand.
import { chromium } from "playwright-core";

export const SIZES = { wall: { width: 1600, height: 1000 }, desk: { width: 1024, height: 768 }, phone: { width: 390, height: 844 } };

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Root, as CI is, has no sandbox; nothing but our own page is opened.
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
}
