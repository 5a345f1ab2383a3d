// The list of events while it moves, a search that goes on by itself, and what can be copied.
"use strict";

{
  const list = find("[data-rows]");
  const foot = find("#foot");

  // --- news: a row that is there changes in its place; a new one slides in on top, or waits behind a button

  const waiting = new Map();
  const button = find("#news");
  const rowOf = (id) => find(`[data-row="${CSS.escape(id)}"]`, list);

  // Nobody reads here at the moment: new rows may push the others down.
  const isAtTop = () =>
    list.getBoundingClientRect().top > 0 && !list.contains(document.activeElement) && getSelection().isCollapsed;

  function replaceRow(there, row) {
    const hadFocus = there.contains(document.activeElement);
    there.replaceWith(row);
    if (hadFocus) find("a", row).focus({ preventScroll: true });
  }

  // Rows are in the order of their ids, which begin with the time.
  function insert(id, html) {
    const row = fresh(html).firstElementChild;
    const older = [...list.children].find((each) => each.dataset.row < id);
    if (!older && find("[data-older], [data-goes-on]", foot)) return; // it belongs on a page further down
    row.classList.add("new");
    list.insertBefore(row, older ?? null);
    find("#empty")?.remove();
  }

  function trim() {
    const most = Number(list.dataset.most);
    if (list.children.length <= most) return;
    while (list.children.length > most) list.lastElementChild.remove();
    goOnAfter(list.lastElementChild.dataset.row);
  }

  // The next page begins after the last row, whichever that is by now.
  function goOnAfter(id) {
    const link = find("[data-older]", foot);
    const next = new URL(link?.href ?? location.href);
    next.searchParams.set("cursor", id);
    if (link) return (link.href = next);
    const made = Object.assign(document.createElement("a"), { className: "button", href: next, textContent: "Older events" });
    made.dataset.older = "";
    const paragraph = Object.assign(document.createElement("p"), { className: "foot" });
    paragraph.append(made);
    foot.replaceChildren(paragraph);
  }

  function tellWaiting() {
    button.hidden = waiting.size === 0;
    button.textContent = `${waiting.size} new`;
  }

  function showWaiting() {
    for (const [id, html] of waiting) insert(id, html);
    waiting.clear();
    trim();
    tellWaiting();
    keepPlace();
  }

  // A tab that comes back to the front asks for what it missed: from its oldest row that is still under way.
  function keepPlace() {
    const rows = [...list.children];
    const open = rows.filter((row) => !["done", "dead"].includes(row.dataset.state)).at(-1);
    const from = open ?? rows[0];
    if (!from) return;
    const stream = new URL(list.dataset.stream, location.href);
    stream.searchParams.set("from_ms", from.dataset.received);
    list.dataset.stream = stream;
  }

  function take(rows) {
    for (const { id, html, fits } of rows) {
      const there = rowOf(id);
      if (there) replaceRow(there, fresh(html).firstElementChild);
      else if (fits) waiting.set(id, html);
      else waiting.delete(id);
    }
    if (isAtTop()) showWaiting();
    else tellWaiting();
  }

  if (list && button) {
    list.addEventListener("news", (event) => {
      event.preventDefault();
      take(event.detail);
    });
    button.addEventListener("click", () => {
      showWaiting();
      scrollTo({ top: 0 });
      find("a", list)?.focus({ preventScroll: true });
    });
  }

  const live = find("#live");
  if (live) {
    live.hidden = false;
    live.addEventListener("click", () => {
      const goes = live.getAttribute("aria-pressed") !== "true";
      live.setAttribute("aria-pressed", String(goes));
      list.dispatchEvent(new CustomEvent("live", { detail: goes }));
    });
  }

  // --- a search that came back before the page was full goes on by itself

  async function goOn() {
    let found = list.children.length;
    for (let part = find("[data-goes-on]", foot); part; part = find("[data-goes-on]", foot)) {
      const answer = await fetch(part.dataset.goesOn).catch(() => null);
      if (!answer?.ok) return; // the link is still there
      const more = await answer.json();
      list.append(fresh(more.rows));
      foot.replaceChildren(fresh(more.foot));
      found += more.found;
      if (found >= 50) return;
    }
  }
  if (foot && find("[data-goes-on]", foot)) goOn();

  // --- forms: a time that was typed is one of the reader's zone, and so it can be shared

  const MOMENT = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?))?$/;

  function withZone(typed) {
    const parts = MOMENT.exec(typed.trim());
    if (!parts) return typed;
    const local = `${parts[1]}T${parts[2] ?? "00:00"}`;
    const minutes = -new Date(local).getTimezoneOffset();
    if (Number.isNaN(minutes)) return typed;
    const ahead = Math.abs(minutes);
    return `${local}${minutes < 0 ? "-" : "+"}${two(Math.floor(ahead / 60))}:${two(ahead % 60)}`;
  }

  find(".find")?.addEventListener("submit", (event) => {
    for (const input of all("[data-moment]", event.target)) input.value = withZone(input.value);
    for (const input of all("input, select", event.target)) input.disabled = !input.value; // a short address
    setTimeout(() => all(":disabled", event.target).forEach((input) => (input.disabled = false)));
  });

  // --- copying what is on the page

  for (const copies of all("[data-copy-from]")) {
    copies.hidden = !navigator.clipboard;
    copies.addEventListener("click", async () => {
      await navigator.clipboard.writeText(find(copies.dataset.copyFrom).textContent);
      const before = copies.textContent;
      copies.textContent = "Copied";
      setTimeout(() => (copies.textContent = before), 1500);
    });
  }
}
