// The live view: new rows are counted, and come in when they are asked for, or at once while they are followed.

const KEPT = 200;

export function startLive(refreshTimes, say) {
  const view = document.querySelector("[data-live]");
  if (!view) return;
  const state = view.querySelector(".state");
  const show = view.querySelector("[data-show]");
  const follow = view.querySelector("[data-follow]");
  const pause = view.querySelector("[data-pause]");
  const rows = document.getElementById("live-rows");
  const template = document.getElementById("live-row");
  let waiting = [];
  let leftOut = 0;
  let lastId = view.dataset.live;
  let source = null;

  function setState(text, isOn) {
    state.textContent = text;
    state.classList.toggle("on", isOn);
  }

  function makeRow(row) {
    const line = template.content.firstElementChild.cloneNode(true);
    const part = (name) => line.querySelector(`[data-part=${name}]`);
    const time = part("time");
    time.dateTime = row.time;
    time.title = row.exact;
    time.dataset.relative = "";
    part("kind").textContent = row.kind;
    part("name").textContent = row.name;
    part("outcome").textContent = row.outcome;
    part("detail").textContent = row.detail;
    part("badge").textContent = row.badge;
    part("badge").classList.add(`tone-${row.tone}`);
    for (const link of line.querySelectorAll("[data-part=subject]")) {
      link.textContent = row.subject;
      link.href = row.href;
    }
    return line;
  }

  function bringIn() {
    const lines = waiting.map(makeRow).reverse();
    rows.prepend(...lines);
    while (rows.children.length > KEPT) rows.lastElementChild.remove();
    refreshTimes();
    if (leftOut) say(`${leftOut} rows were left out: they came faster than 20 a second`);
    waiting = [];
    leftOut = 0;
    refresh();
  }

  function refresh() {
    const count = waiting.length + leftOut;
    show.hidden = count === 0;
    show.textContent = leftOut ? `Show ${waiting.length} of ${count} new` : `Show ${count} new`;
  }

  function receive(event) {
    const data = JSON.parse(event.data);
    lastId = event.lastEventId;
    waiting.push(...data.rows);
    leftOut += data.skipped + Math.max(waiting.length - KEPT, 0) + (data.is_cut ? 1 : 0);
    waiting = waiting.slice(-KEPT);
    if (follow.getAttribute("aria-pressed") === "true") bringIn();
    else refresh();
  }

  function connect() {
    source = new EventSource(`/live?after=${encodeURIComponent(lastId)}`);
    source.addEventListener("rows", receive);
    source.addEventListener("open", () => setState("live", true));
    source.addEventListener("error", () => {
      const isOver = source.readyState === EventSource.CLOSED;
      setState(isOver ? "not live: load the page again" : "connecting again", false);
    });
  }

  function disconnect() {
    source.close();
    source = null;
    setState("paused", false);
  }

  show.addEventListener("click", () => {
    bringIn();
    rows.querySelector("a")?.focus();
  });
  follow.addEventListener("click", () => {
    const isOn = follow.getAttribute("aria-pressed") !== "true";
    follow.setAttribute("aria-pressed", String(isOn));
    if (isOn) bringIn();
  });
  pause.addEventListener("click", () => {
    const isPaused = pause.getAttribute("aria-pressed") !== "true";
    pause.setAttribute("aria-pressed", String(isPaused));
    if (isPaused) disconnect();
    else connect();
  });
  view.hidden = false;
  setState("connecting", false);
  connect();
}
