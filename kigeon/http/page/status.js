// Shows what /api/status tells, every two seconds while the page is looked at. Nothing here asks for anything else.
"use strict";

const EVERY = 2000;
const MOST = 300; // points of the graph: ten minutes
const seen = []; // {at, stored}
let before = null;

const byId = (id) => document.getElementById(id);
const number = (value) => (value ?? 0).toLocaleString("en");
const rate = (value) => (value >= 10 ? value.toFixed(0) : value >= 0.05 ? value.toFixed(1) : "0");

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function clock(stamp) {
  return stamp ? new Date(stamp).toLocaleTimeString() : "–";
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) { count /= 1024; unit += 1; }
  return `${count.toFixed(unit && count < 10 ? 1 : 0)} ${units[unit]}`;
}

function badge(id, name, well) {
  const shown = byId(id);
  shown.textContent = `${name}: ${well ? "yes" : "no"}`;
  shown.className = `badge ${well ? "good" : "bad"}`;
}

// What was there and is not any more counts as nothing: kigeon was started anew.
function perSecond(now, past, pick) {
  if (!past) return null;
  const seconds = (Date.parse(now.time) - Date.parse(past.time)) / 1000;
  return seconds > 0 ? Math.max(pick(now) - pick(past), 0) / seconds : null;
}

function problems(now) {
  const found = [];
  const failing = [...now.checks.livez, ...now.checks.readyz].filter((check) => !check.passed);
  const told = new Set();
  for (const check of failing) {
    if (!told.has(check.reason)) found.push({ kind: "bad", title: check.name, text: check.reason });
    told.add(check.reason);
  }
  for (const [name, sender] of Object.entries(now.senders)) {
    for (const held of sender.held) {
      const what = held.stream ? `a stream of ${held.destination}` : held.destination;
      const kind = held.state === "held" ? "bad" : "wait";
      found.push({ kind, title: `${name}: ${what} takes nothing`, text: held.reason, cure: held.cure });
    }
    if (sender.parked) found.push({ kind: "wait", title: `${name}: ${number(sender.parked)} events are parked`, text: "They can't be delivered.", cure: "kigeon dead-letter list says why; dead-letter replay tries them again" });
    if (sender.evicted) found.push({ kind: "bad", title: `${name}: ${number(sender.evicted)} events were evicted`, text: "They went from the queue before they could be sent.", cure: "raise queue.eventsMaxAge and queue.eventsMaxBytes" });
  }
  if (now.cluster.problem && !failing.some((check) => check.name === "cluster")) found.push({ kind: "wait", title: "The API server", text: now.cluster.problem });
  if (now.cluster.lastGap) found.push({ kind: "wait", title: "Events may be missing", text: `The cluster was not watched from ${now.cluster.lastGap[0]} to ${now.cluster.lastGap[1]}.` });
  return found;
}

function showProblems(now) {
  const items = problems(now).map((problem) => {
    const item = element("li", undefined, problem.kind);
    item.append(element("strong", problem.title), element("p", problem.text));
    if (problem.cure) item.append(element("p", `Cure: ${problem.cure}`));
    return item;
  });
  if (!items.length) items.push(element("li", "All is well.", "good"));
  keep("problems", items);
}

function step(title, figure, detail, kind) {
  const item = element("li");
  item.append(element("strong", title), element("span", figure, `figure ${kind || ""}`), element("p", detail, "faint"));
  return item;
}

function showWay(now, past) {
  const speed = (pick) => { const found = perSecond(now, past, pick); return found === null ? "…" : `${rate(found)}/s`; };
  const cluster = now.cluster, queue = now.queue, watcher = now.watcher;
  const steps = [
    step("Cluster", speed((told) => told.watcher.received ?? 0), `${cluster.watching ? "watched" : "not watched now"}, last heard ${clock(cluster.lastHeard)}; ${number(cluster.pending)} read and not stored`, cluster.watching ? "" : "bad"),
    step("New", speed((told) => told.watcher.stored ?? 0), `${number(watcher.received)} received, ${number(watcher.repeated)} repeated, ${number(watcher.unreadable)} unreadable`),
    step("Queue", bytes(queue.bytes), `of ${bytes(queue.limitBytes)}; ${number(watcher.stored)} events stored; ${number(queue.deadLetters)} dead letters`),
  ];
  for (const [name, sender] of Object.entries(now.senders)) {
    const kind = sender.held.length ? "wait" : sender.ready ? "" : "bad";
    steps.push(step(`→ ${name}`, speed((told) => told.senders[name]?.sent ?? 0), `${number(sender.sent)} sent, ${number(sender.waiting)} waiting`, kind));
  }
  keep("way", steps);
}

function row(cells) {
  const made = element("tr");
  cells.forEach((cell, index) => {
    const made_cell = index ? element("td", cell, /^[\d,]+$/.test(cell) ? "number" : "") : element("th", cell);
    if (!index) made_cell.scope = "row";
    made.append(made_cell);
  });
  return made;
}

function showTables(now) {
  const columns = ["sent", "waiting", "filtered", "skipped", "parked", "evicted", "resent"];
  keep("senders", Object.entries(now.senders).map(([name, sender]) => row([name, ...columns.map((column) => number(sender[column]))])));
  const held = Object.values(now.senders).flatMap((sender) => sender.held);
  byId("held-part").hidden = !held.length;
  keep("held", held.map((lane) => row([`${lane.destination} ${lane.stream}`.trim(), number(lane.events), lane.reason, lane.cure || (lane.state === "away" ? "It is tried again until it answers." : "–"), clock(lane.since), clock(lane.next)])));
  byId("roles-part").hidden = !now.roles.length;
  keep("roles", now.roles.map((held) => row([held.role, held.replica || "nobody", held.since ? new Date(held.since).toLocaleString() : "–"])));
  keep("processes", Object.entries(now.processes).map(([name, part]) => row([name, part.problem || (part.ready ? "runs" : "does not run"), number(part.restarts)])));
}

function showGraph(now) {
  seen.push({ at: Date.parse(now.time), stored: now.watcher.stored ?? 0 });
  if (seen.length > MOST) seen.shift();
  const rates = seen.slice(1).map((point, index) => Math.max(point.stored - seen[index].stored, 0) / Math.max((point.at - seen[index].at) / 1000, 1));
  const most = Math.max(...rates, 1);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", rates.map((value, index) => `${(index * 600) / Math.max(rates.length - 1, 1)},${78 - (value * 74) / most}`).join(" "));
  byId("graph").replaceChildren(line);
  byId("graph-text").textContent = rates.length ? `${rate(rates[rates.length - 1])} now, ${rate(Math.max(...rates))} at most since this page was opened` : "";
}

// Only what has changed is replaced: what is read aloud, selected or focused stays.
function keep(id, items) {
  const shown = byId(id);
  const next = element("div");
  next.append(...items);
  if (shown.innerHTML !== next.innerHTML) shown.replaceChildren(...items);
}

function show(now) {
  byId("version").textContent = now.version;
  byId("started").textContent = `started ${new Date(now.startedAt).toLocaleString()}`;
  badge("live", "live", now.live);
  badge("ready", "ready", now.ready);
  document.title = `${now.ready ? "" : "✗ "}kigeon`;
  showProblems(now);
  showWay(now, before);
  showTables(now);
  showGraph(now);
  before = now;
}

async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch("api/status", { cache: "no-store" });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      show(await answer.json());
      byId("news").textContent = "";
    } catch (error) {
      byId("news").textContent = `kigeon does not answer (${error.message}); asking again`;
    }
  }
  setTimeout(look, EVERY);
}

look();
