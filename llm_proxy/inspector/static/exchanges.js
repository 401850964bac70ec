// The list as it grows. The server renders it in any case: when something has happened the
// page is asked for again, and the rows that are new or have changed are taken from it.

// Below the address of the server, where something in front of it serves it so.
const { root } = document.body.dataset;

const list = document.getElementById("list");
const live = document.getElementById("live");
const liveText = document.getElementById("live-text");
const pause = document.getElementById("pause");
const forget = document.getElementById("forget");
const announced = document.getElementById("announced");
const asked = new URLSearchParams(location.search);

const GATHER_MS = 300; // what happens together is fetched together
const ANNOUNCE_MS = 3000; // and screen readers are told no more often than this

let source = null;
let paused = false;
let missed = new Set();
let refreshing = null;
let arrived = 0;
let announcing = null;

function localTimes(part) {
  for (const time of part.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    time.textContent = at.toLocaleTimeString([], { hourCycle: "h23" });
    time.title = at.toLocaleString();
  }
}

function show(state, text) {
  live.className = `live ${state}`;
  liveText.textContent = text;
}

function announce(count) {
  arrived += count;
  if (announcing || !arrived) return;
  announced.textContent = arrived === 1 ? "1 new exchange" : `${arrived} new exchanges`;
  arrived = 0;
  announcing = setTimeout(() => {
    announcing = null;
    announce(0);
  }, ANNOUNCE_MS);
}

function take(fresh) {
  localTimes(fresh);
  const rows = list.querySelector(".rows");
  const others = fresh.querySelector(".rows");
  if (!rows || !others) {
    list.replaceChildren(...fresh.childNodes);
    announce(others ? others.children.length : 0);
    return;
  }
  // What stays as it is keeps its place in the document, and with it the focus.
  const known = new Map([...rows.children].map((row) => [row.dataset.id, row]));
  let added = 0;
  let place = rows.firstElementChild;
  for (const row of [...others.children]) {
    const old = known.get(row.dataset.id);
    known.delete(row.dataset.id);
    if (!old) {
      row.classList.add("new");
      rows.insertBefore(row, place);
      added += 1;
      continue;
    }
    if (old.dataset.version !== row.dataset.version) {
      const focused = old.contains(document.activeElement);
      if (old === place) place = old.nextElementSibling;
      old.remove();
      rows.insertBefore(row, place);
      if (focused) row.querySelector("a").focus();
    } else {
      if (old === place) place = old.nextElementSibling;
      else rows.insertBefore(old, place);
    }
  }
  for (const gone of known.values()) gone.remove();
  if (added) announce(added);
}

async function refresh() {
  refreshing = null;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("list");
    if (fresh && !paused) take(fresh);
  } catch {
    show("off", "Not connected");
  }
}

function soon() {
  refreshing ??= setTimeout(refresh, GATHER_MS);
}

function watch() {
  source = new EventSource(streamUrl());
  source.addEventListener("open", () => {
    if (!paused) {
      show("on", "Live");
      soon(); // for what happened before
    }
  });
  source.addEventListener("error", () => {
    show("off", "Not connected");
    if (source?.readyState === EventSource.CLOSED) {
      source = null;
      setTimeout(() => {
        if (!source && !document.hidden) watch();
      }, 5000);
    }
  });
  source.addEventListener("exchange", (event) => {
    if (!paused) {
      soon();
      return;
    }
    missed.add(JSON.parse(event.data).id);
    pause.textContent = `Resume (${missed.size} new)`;
  });
}

function streamUrl() {
  const namespace = asked.get("namespace");
  const query = namespace ? `?${new URLSearchParams({ namespace })}` : "";
  return `${root}/control/requests/stream${query}`;
}

function unwatch() {
  source?.close();
  source = null;
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Resume" : "Pause";
  show(paused ? "" : "on", paused ? "Paused" : "Live");
  missed = new Set();
  if (!paused) soon();
});

forget.addEventListener("click", async () => {
  const namespace = asked.get("namespace");
  const what = namespace ? `all exchanges of the namespace ${namespace}` : "all exchanges";
  if (!confirm(`Forget ${what}?`)) return;
  const query = namespace ? `?${new URLSearchParams({ namespace })}` : "";
  await fetch(`${root}/control/requests${query}`, { method: "DELETE" });
  soon();
});

// Nobody looks at a page in the background: then the server has nothing to do for it.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) unwatch();
  else if (!source) watch();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea")) return;
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("search").focus();
  } else if (step) {
    const links = [...list.querySelectorAll(".open")];
    const at = links.indexOf(document.activeElement);
    if (event.key.startsWith("Arrow") && at < 0) return; // it scrolls
    event.preventDefault();
    links[Math.max(0, Math.min(links.length - 1, at + step))]?.focus();
  }
});

// A form that asks for nothing where nothing was filled in.
document.querySelector(".filters").addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
});
// On a phone the filters would push the list out of sight.
const narrowing = document.querySelector(".filters details");
const used = [...narrowing.querySelectorAll("input, select")].some((field) => field.value);
narrowing.open = used || !matchMedia("(max-width: 46rem)").matches;
for (const select of document.querySelectorAll(".filters select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

// So that whoever opens one comes back to the same list.
sessionStorage.setItem("list", location.search);

localTimes(document);
if (!asked.has("before") && !document.querySelector("[data-journal=off]")) {
  live.hidden = pause.hidden = forget.hidden = false;
  if (!document.hidden) watch();
}
