// Puts in place what the server writes: every part that has changed, and the events that are new. The page says the
// same without this; here it is live, in the zone of the browser, and searched while one types.
"use strict";

const AGAIN = 10000; // milliseconds after which a stream that was refused is asked for again

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

const byId = (id) => document.getElementById(id);
let source = null;
let seen = document.body.dataset.seen;
let most = 300;

function localise(within) {
  const today = new Date().toDateString();
  for (const time of within.querySelectorAll("time")) {
    const moment = new Date(time.dateTime);
    const day = moment.toDateString() === today ? "" : `${moment.toLocaleDateString(undefined, { month: "short", day: "numeric" })} `;
    time.textContent = day + moment.toLocaleTimeString(undefined, CLOCK);
    time.title = moment.toLocaleString();
  }
}

// Markup of the server's: whatever came from elsewhere is escaped in it, and the policy lets no script run.
function made(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  localise(holder.content);
  return holder.content;
}

function search() {
  const words = byId("q").value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...byId("events").children];
  let found = 0;
  for (const row of rows) {
    row.searched ??= [...row.children].slice(1).map((cell) => cell.textContent).join(" ").toLowerCase();
    row.hidden = !words.every((word) => row.searched.includes(word));
    found += row.hidden ? 0 : 1;
  }
  const text = `${found} of ${rows.length} events`;
  if (byId("found").textContent !== text) byId("found").textContent = text;
}

function show(message) {
  seen = message.lastEventId;
  const told = JSON.parse(message.data);
  most = told.most;
  for (const [id, html] of Object.entries(told.parts)) byId(id).replaceChildren(made(html));
  if (told.events) {
    const events = byId("events");
    events.prepend(made(told.events));
    while (events.children.length > most) events.lastElementChild.remove();
    search();
  }
  document.title = document.querySelector("#ready.bad, #live.bad") ? "✗ kigeon" : "kigeon";
  byId("news").textContent = "";
}

function listen() {
  if (document.hidden || source) return;
  source = new EventSource(`api/stream?seen=${encodeURIComponent(seen)}`);
  source.onmessage = show;
  source.onerror = () => {
    byId("news").textContent = "kigeon does not answer; asking again";
    if (source.readyState === EventSource.CLOSED) {
      rest();
      setTimeout(listen, AGAIN);
    }
  };
}

function rest() {
  if (source) source.close();
  source = null;
}

// What was searched for without this script is shown with all that was left out.
if (byId("q").value) byId("events").replaceChildren();
byId("search").classList.add("scripted");
byId("search").addEventListener("submit", (event) => event.preventDefault());
byId("q").addEventListener("input", search);
document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
localise(document);
listen();
