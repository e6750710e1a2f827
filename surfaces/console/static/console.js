// What the pages do beyond reading: relative times, copying ids, and the live view. Everything else works without.

import { startLive } from "./live.js";

const STEPS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
const REFRESH_MS = 15000;
const COPIED_MS = 1500;
const ICONS = {
  copy: ["M5 5V2.5h8.5V11H11", "M2.5 5H11v8.5H2.5z"],
  done: ["M3 8.5l3.5 3.5L13 5"],
};

// By the console's clock: this machine's may be wrong.
const AHEAD_MS = Number(document.documentElement.dataset.now) - Date.now();

export function relative(instant, now) {
  const apart = Math.round((instant - now) / 1000);
  if (apart === 0) return "now";
  const size = Math.abs(apart);
  const at = STEPS.findIndex(([, seconds]) => size >= seconds);
  const [unit, seconds] = STEPS[at];
  let text = `${Math.floor(size / seconds)} ${unit}`;
  if (at < 2 && size < 3 * seconds) {
    const [smaller, part] = STEPS[at + 1];
    const rest = Math.floor((size % seconds) / part);
    if (rest) text += ` ${rest} ${smaller}`;
  }
  return apart > 0 ? `in ${text}` : `${text} ago`;
}

function refreshTimes() {
  const now = Date.now() + AHEAD_MS;
  for (const each of document.querySelectorAll("time[data-relative]")) {
    each.textContent = relative(Date.parse(each.dateTime), now);
  }
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  for (const shape of ICONS[name]) {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", shape);
    path.setAttribute("fill", "none");
    path.setAttribute("stroke", "currentColor");
    path.setAttribute("stroke-width", "1.5");
    svg.append(path);
  }
  return svg;
}

function addCopyButtons() {
  for (const each of document.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.setAttribute("aria-label", `Copy ${each.dataset.copy}`);
    button.append(icon("copy"));
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(each.dataset.copy);
      button.replaceChildren(icon("done"));
      say("Copied");
      setTimeout(() => button.replaceChildren(icon("copy")), COPIED_MS);
    });
    each.after(button);
  }
}

function say(text) {
  document.getElementById("said").textContent = text;
}

function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = target && target.matches(".timeline > li") && target.querySelector("details");
  if (details) details.open = true;
}

addCopyButtons();
refreshTimes();
setInterval(refreshTimes, REFRESH_MS);
openTarget();
addEventListener("hashchange", openTarget);
startLive(refreshTimes, say);
