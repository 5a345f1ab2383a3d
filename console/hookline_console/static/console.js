// What the pages do beyond HTML: live updates, the keyboard, times in the reader's zone. All works without it but the first.
"use strict";

const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// --- times, in the zone of whoever reads

const two = (number) => String(number).padStart(2, "0");

// As the server says it: in one unit, rounded down. What is older than a minute does not flicker.
function ago(milliseconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const seconds = Math.floor(milliseconds / 1000);
  const found = units.find(([, length]) => seconds >= length);
  return found ? `${Math.floor(seconds / found[1])} ${found[0]} ago` : "just now";
}

function showLocalTimes(within) {
  for (const time of all("time[datetime]", within)) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    const moment = `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
    const isRelative = "relative" in time.dataset;
    time.title = isRelative ? moment : time.title || time.dateTime;
    time.textContent = isRelative ? ago(Date.now() - at) : moment;
  }
}

function keepRelativeTimes() {
  for (const time of all("time[data-relative]")) {
    const said = ago(Date.now() - new Date(time.dateTime));
    if (time.textContent !== said) time.textContent = said; // what is the same stays selected
  }
}

// --- live: an element with data-stream says where from; what comes is HTML that the server has escaped

const fresh = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html;
  showLocalTimes(template.content);
  return template.content;
};

// Replace the parts that are new, and leave the reader where they were.
function replaceParts(parts) {
  for (const [name, html] of Object.entries(parts)) {
    const part = find(`[data-part="${CSS.escape(name)}"]`);
    if (!part) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    const opened = all("details[open][id]", part).map((each) => each.id);
    const scrolled = all(".table", part).map((each) => each.scrollLeft);
    part.replaceChildren(fresh(html));
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    all(".table", part).forEach((each, index) => (each.scrollLeft = scrolled[index] ?? 0));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
}

// Rows are known by data-row: one that is there is replaced in its place, others come to the top.
function mergeRows(rows) {
  const list = find("[data-rows]");
  // a page whose list is more than that does it itself, and says so
  if (!list || !list.dispatchEvent(new CustomEvent("news", { detail: rows, cancelable: true }))) return;
  for (const { id, html } of rows) {
    const there = find(`[data-row="${CSS.escape(id)}"]`, list);
    const hadFocus = there?.contains(document.activeElement);
    const row = fresh(html).firstElementChild;
    if (there) there.replaceWith(row);
    else list.prepend(row);
    if (hadFocus) (find("a", row) ?? row).focus({ preventScroll: true });
  }
  const most = Number(list.dataset.most || 200);
  while (list.children.length > most) list.lastElementChild.remove();
  document.dispatchEvent(new CustomEvent("rows"));
}

function tellAway(reason) {
  const away = find("#away");
  if (!away) return;
  if (reason && away.textContent !== reason) away.textContent = reason;
  away.hidden = !reason;
}

function watch(element) {
  let source = null;
  let retry = 0;
  const hear = (name, listener) =>
    source.addEventListener(name, (event) => {
      tellAway("");
      listener(JSON.parse(event.data));
    });
  const open = () => {
    clearTimeout(retry);
    if (source || document.hidden || element.dataset.stopped) return;
    source = new EventSource(element.dataset.stream);
    hear("parts", replaceParts);
    hear("rows", mergeRows);
    source.addEventListener("away", (event) => tellAway(JSON.parse(event.data)));
    source.addEventListener("error", failed);
  };
  const close = () => {
    source?.close();
    source = null;
  };
  const failed = async () => {
    if (source?.readyState !== EventSource.CLOSED) {
      tellAway("The console does not answer; this page is as of when it last did.");
      return;
    }
    close();
    retry = setTimeout(open, 5000);
    const asked = { method: "HEAD", headers: { Accept: "application/json" } };
    const answer = await fetch(location.href, asked).catch(() => null);
    if (answer?.status === 401) location.reload();
    else if (answer?.status === 503) tellAway("Redis does not answer. This page is as of before, and goes on by itself.");
    else tellAway("Live updates are interrupted; they are tried again every 5 seconds.");
  };
  // A browser has six connections to a server: a tab that nobody sees gives its own back.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  element.addEventListener("live", (event) => {
    element.dataset.stopped = event.detail ? "" : "yes";
    if (event.detail) open();
    else close();
  });
  open();
}

// --- the keyboard

const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]");
let began = "";

function step(by) {
  const rows = all("[data-list] [data-item]");
  if (!rows.length) return;
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = rows[Math.min(rows.length - 1, Math.max(0, at + by))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || find("dialog[open]")) return;
  const after = began;
  began = "";
  if (after === "g") {
    const link = find(`nav a[data-key="${CSS.escape(event.key)}"]`);
    if (link) location.assign(link.href);
  } else if (event.key === "g") began = "g";
  else if (event.key === "/") (find("[data-search]") ?? find("#search"))?.focus();
  else if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "?") find("#help")?.showModal();
  else return;
  event.preventDefault();
});

// --- buttons

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = before), 1500);
});

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// --- begin

showLocalTimes(document);
setTimeout(() => all(".said p").forEach((each) => each.remove()), 10000);
setInterval(() => document.hidden || keepRelativeTimes(), 1000);
for (const button of all("[data-copy]")) button.hidden = !navigator.clipboard;
const opens = find("#help-opens");
if (opens) {
  opens.hidden = false;
  opens.addEventListener("click", () => find("#help").showModal());
}
for (const element of all("[data-stream]")) watch(element);
