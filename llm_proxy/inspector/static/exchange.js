// What can be done with an exchange: export it, play it, send it again.

// Below the address of the server, where something in front of it serves it so.
const { root } = document.body.dataset;

const article = document.getElementById("exchange");
const id = article?.dataset.id;

for (const time of document.querySelectorAll("time")) {
  const at = new Date(time.dateTime);
  time.textContent = at.toLocaleString([], { hourCycle: "h23" });
  time.title = time.dateTime;
}

const back = document.getElementById("back");
if (article) back.search = sessionStorage.getItem("list") ?? "";

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, dialog");
  if (event.key === "Escape" && !typing) back.click();
});

// Exports

const dialog = document.getElementById("export");
for (const link of document.querySelectorAll("[data-export]")) {
  link.addEventListener("click", async (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const answer = await fetch(link.href);
    const text = await answer.text();
    dialog.querySelector("h2").textContent = link.dataset.export;
    dialog.querySelector("code").textContent = answer.ok ? inLines(text) : problem(text);
    document.getElementById("export-link").href = link.href;
    document.getElementById("copied").textContent = "";
    dialog.showModal();
  });
}

function inLines(text) {
  try {
    const parsed = JSON.parse(text);
    // Not where a number would come out as another one.
    return JSON.stringify(parsed) === text ? JSON.stringify(parsed, null, 2) : text;
  } catch {
    return text;
  }
}

function problem(text) {
  try {
    return JSON.parse(text).error.message;
  } catch {
    return text;
  }
}

document.getElementById("copy")?.addEventListener("click", async () => {
  const code = dialog.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    // Not on a plain http page of another host, where only what is selected can be copied.
    getSelection().selectAllChildren(code);
    document.execCommand("copy");
  }
  document.getElementById("copied").textContent = "Copied";
});

// The reply as it streamed

const cursor = document.getElementById("cursor");
const end = Number(document.querySelector(".timeline")?.dataset.end || 0);
for (const play of document.querySelectorAll(".play")) {
  const chunks = play.closest("details").querySelector(".chunks");
  let timers = [];
  play.hidden = false;
  const stop = () => {
    timers.forEach(clearTimeout);
    timers = [];
    chunks.classList.remove("playing");
    cursor.setAttribute("visibility", "hidden");
    play.textContent = "Play";
  };
  play.addEventListener("click", () => {
    if (timers.length) {
      stop();
      return;
    }
    play.textContent = "Stop";
    chunks.classList.add("playing");
    const spans = [...chunks.children];
    for (const span of spans) {
      span.classList.add("waiting");
      timers.push(setTimeout(() => {
        span.classList.remove("waiting");
        const x = `${(100 * span.dataset.ms) / end}%`;
        cursor.setAttribute("x1", x);
        cursor.setAttribute("x2", x);
        cursor.setAttribute("visibility", "visible");
      }, span.dataset.ms));
    }
    timers.push(setTimeout(stop, Number(spans.at(-1).dataset.ms) + 500));
  });
}

// Sending again

const form = document.getElementById("send");
if (form) {
  form.hidden = false;
  document.getElementById("with").hidden = false;
}
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const said = document.getElementById("sending");
  const button = form.querySelector("button");
  const { method, path, headers } = form.dataset;
  const body = form.querySelector("textarea")?.value;
  button.disabled = true;
  said.textContent = "Waiting for the answer …";
  let again = null;
  try {
    const answer = await fetch(path, { method, body, headers: JSON.parse(headers) });
    again = answer.headers.get("x-request-id");
    await answer.text();
  } catch {
    // A connection that breaks is an answer, too, once it has told its id.
  }
  button.disabled = false;
  if (again) compare(again);
  else said.textContent = "The connection broke before an answer came: look into the list.";
});

document.getElementById("with")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const other = new FormData(event.target).get("id").trim();
  if (other) compare(other);
});

function compare(other) {
  location.assign(`${root}/exchanges/${encodeURIComponent(id)}/compare/${encodeURIComponent(other)}`);
}

// One that is still under way

if (article?.dataset.over === "false") {
  const source = new EventSource(`${root}/control/requests/stream`);
  source.addEventListener("exchange", (event) => {
    const told = JSON.parse(event.data);
    if (told.id === id && told.over) location.reload();
  });
}
