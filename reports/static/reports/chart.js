// A can's chart: fetched, drawn by uPlot, read with the arrow keys.
"use strict";

const box = document.querySelector(".chart[data-drawn]");
const note = document.getElementById("chart-note");

let chartData = null;
let chart = null;
let repeats = 20;
// Where the axis begins and ends unless the reader has dragged out a part.
let whole = null;

const when = new Intl.DateTimeFormat("en-GB", {
  timeZone: box?.dataset.zone, dateStyle: "medium", timeStyle: "short",
});

const day = new Intl.DateTimeFormat("en-GB", { timeZone: box?.dataset.zone, day: "numeric", month: "short" });
const hour = new Intl.DateTimeFormat("en-GB", { timeZone: box?.dataset.zone, hour: "2-digit", minute: "2-digit" });

function tick(at, stepS) {
  const time = hour.format(at * 1000);
  return stepS >= 86400 || time === "00:00" ? day.format(at * 1000) : time;
}

function say(index) {
  const [at, level] = chartData.points[index];
  note.ariaLive = "polite";
  const range = chartData.high.length ? `, from ${chartData.low[index].toFixed(1)} to ${chartData.high[index].toFixed(1)} %` : "";
  const emptied = marks.get(index)?.map((each) => `; ${told(each)}`).join("") ?? "";
  const text = `${when.format(at * 1000)} ${box.dataset.zone}: ${level.toFixed(1)} %${range}${emptied}`;
  // What is said already is not said again.
  if (note.textContent !== text) note.textContent = text;
}

// By the index of its point: the emptyings between the point before and this one. The point is the first report after.
let marks = new Map();

function markedPoints() {
  marks = new Map();
  chartData.emptyings = chartData.emptyings.filter((each) => !chartData.since || each.at >= chartData.since);
  for (const each of chartData.emptyings) {
    const at = Date.parse(each.at) / 1000;
    let index = chartData.points.findIndex(([point]) => point >= at - 1);
    // A point of an hour or a day stands at its begin, and for what came after it.
    if (chartData.high.length) index = index < 0 ? chartData.points.length - 1 : index - (chartData.points[index][0] > at + 1 ? 1 : 0);
    if (index >= 0) marks.set(index, [...(marks.get(index) ?? []), each]);
  }
}

function told(each) {
  const sure = each.stage === "PROVISIONAL" ? ", if the next report confirms it" : "";
  return `emptied, from ${each.before} to ${each.after} %${sure}`;
}

// What the page says of the time to come; null where there is no forecast.
const forecast = box?.dataset.fullAt ? {
  from: [Number(box.dataset.measuredAt), Number(box.dataset.level)],
  at: Number(box.dataset.fullAt), low: Number(box.dataset.low), high: Number(box.dataset.high), level: Number(box.dataset.fullFrom),
} : null;

function summary() {
  const count = chartData.reports.toLocaleString("en-GB");
  const parts = [`${count} report${chartData.reports === 1 ? "" : "s"}`];
  const emptied = chartData.emptyings.length;
  if (emptied) parts.push(`${emptied} emptying${emptied === 1 ? " is" : "s are"} marked by a triangle`);
  if (forecast) parts.push(`the shaded part on the right says when it may reach ${forecast.level} %`);
  const points = chartData.points.length.toLocaleString("en-GB");
  if (chartData.high.length) parts.push(`summed up in ${points} points, each with its lowest and highest`);
  else if (chartData.thinned) parts.push(`thinned to ${points} points that keep the peaks and dips`);
  if (!chartData.complete) parts.push(chartData.high.length ? "older ones are being summed up" : "older ones are not drawn");
  return parts.join("; ") + ". Click the chart or tab to it, then read it with the arrow keys.";
}

// The axis shows the whole range, however few reports it has; "all" shows a day at least, so that one point has a place.
function axisRange() {
  const [first, last] = [chartData.points[0]?.[0], chartData.points.at(-1)?.[0]];
  const until = Math.max(Date.parse(chartData.until) / 1000, last ?? 0);
  const since = chartData.since ? Date.parse(chartData.since) / 1000 : until - 86400;
  const begin = Math.min(since, first ?? since);
  // What is to come takes a third of the width at most: of a range of a day, half a day.
  const toCome = forecast ? Math.min(Math.max(forecast.high, until), until + (until - begin) / 2) : until;
  return [begin, toCome];
}

function draw() {
  chart?.destroy();
  box.replaceChildren();
  const ink = painted("soft"), line = painted("line"), stroke = painted("accent"), full = painted("full");
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const banded = chartData.high.length > 0;
  whole = axisRange();
  const none = chartData.points.length === 0;
  const [xs, ys] = none ? [whole, [null, null]] : [chartData.points.map((p) => p[0]), chartData.points.map((p) => p[1])];
  const bounds = banded ? [chartData.low, chartData.high] : [];
  // uPlot asks for all of its points, for a day where there is one, or for what the reader has dragged out.
  const range = (_, from, to) => xs.length === 1 || (from === xs[0] && to === xs.at(-1)) ? whole : [from, to];
  chart = new uPlot({
    width: box.clientWidth,
    height: 300,
    tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), box.dataset.zone),
    legend: { show: false },
    cursor: { y: false, points: { size: 8 } },
    scales: { x: { range }, y: { range: [0, 100] } },
    axes: [{ ...axis, values: (_, splits, _axis, _space, step) => splits.map((at) => tick(at, step)) }, { ...axis, values: (_, values) => values.map((v) => `${v} %`), size: 56 }],
    series: [{}, ...(banded ? [{ stroke: "transparent", points: { show: false } }, { stroke: "transparent", points: { show: false } }] : []), { stroke, width: 1.75, points: { show: xs.length < 60 }, fill: banded ? undefined : painted("wash") }],
    bands: banded ? [{ series: [2, 1], fill: painted("wash") }] : [],
    hooks: {
      setCursor: [(plot) => { if (plot.cursor.idx != null && !none) say(plot.cursor.idx); }],
      draw: [(plot) => {
        const y = plot.valToPos(Number(box.dataset.fullFrom), "y", true), { ctx, bbox } = plot;
        ctx.save();
        ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
        if (forecast) drawForecast(plot, y, painted("band"), stroke);
        drawMarks(plot, ink);
        ctx.strokeStyle = full;
        ctx.setLineDash([6, 5]);
        ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke();
        ctx.restore();
      }],
    },
  }, [xs, ...bounds, ys], box);
  markedPoints();
  note.ariaLive = "off";
  note.textContent = none ? "No reports in this range. Choose a longer one." : summary();
}

// From the newest level to where the threshold is reached: the line to the most likely time, the band to four of five.
function drawForecast(plot, y, band, stroke) {
  const x = (at) => plot.valToPos(at, "x", true), { ctx } = plot;
  const [begin, level] = [x(forecast.from[0]), plot.valToPos(forecast.from[1], "y", true)];
  ctx.fillStyle = band;
  ctx.beginPath(); ctx.moveTo(begin, level); ctx.lineTo(x(forecast.low), y); ctx.lineTo(x(forecast.high), y); ctx.closePath(); ctx.fill();
  ctx.strokeStyle = stroke;
  ctx.setLineDash([3, 4]);
  ctx.beginPath(); ctx.moveTo(begin, level); ctx.lineTo(x(forecast.at), y); ctx.stroke();
  ctx.setLineDash([]);
}

// A triangle at the lower edge for each emptying; hollow while it is provisional.
function drawMarks(plot, ink) {
  const { ctx, bbox } = plot, size = 5 * devicePixelRatio, bottom = bbox.top + bbox.height;
  ctx.fillStyle = ctx.strokeStyle = ink;
  for (const each of chartData.emptyings) {
    const x = plot.valToPos(Date.parse(each.at) / 1000, "x", true);
    ctx.beginPath(); ctx.moveTo(x, bottom - 2 * size); ctx.lineTo(x - size, bottom); ctx.lineTo(x + size, bottom); ctx.closePath();
    if (each.stage === "PROVISIONAL") ctx.stroke(); else ctx.fill();
  }
}

// The same points as rows, the newest first; made when somebody opens them.
const points = document.querySelector(".points");

function tabulate() {
  points.hidden = !chartData?.points.length;
  if (points.hidden || !points.open) return;
  const banded = chartData.high.length > 0;
  const row = (cells, tag = "td") => {
    const made = document.createElement("tr");
    for (const text of cells) made.append(Object.assign(document.createElement(tag), { textContent: text }));
    return made;
  };
  const head = document.createElement("thead");
  const marked = marks.size > 0;
  head.append(row([box.dataset.zone, "Level", ...(banded ? ["Lowest", "Highest"] : []), ...(marked ? ["Emptied"] : [])], "th"));
  const body = document.createElement("tbody");
  const percent = (level) => `${level.toFixed(1)} %`;
  body.append(...chartData.points.map(([at, level], index) => row([
    when.format(at * 1000), percent(level), ...(banded ? [percent(chartData.low[index]), percent(chartData.high[index])] : []),
    ...(marked ? [(marks.get(index) ?? []).map(told).join("; ")] : []),
  ])).reverse());
  points.querySelector("table").replaceChildren(head, body);
}

function step(by) {
  const last = chartData.points.length - 1;
  const at = chart.cursor.idx ?? (by > 0 ? -1 : last + 1);
  const index = Math.max(0, Math.min(last, Math.abs(by) === Infinity ? (by > 0 ? last : 0) : at + by));
  point(index);
}

function point(index) {
  const [x, y] = chartData.points[index];
  chart.setCursor({ left: chart.valToPos(x, "x"), top: chart.valToPos(y, "y") });
  chart.cursor.idx = index;
  say(index);
}

// The newest emptyings; where they cannot be had, the chart is drawn without them.
async function emptyings() {
  try {
    const answer = await fetch(box.dataset.emptyings, { headers: { Accept: "application/json" } });
    return answer.ok ? (await answer.json()).results.filter((each) => each.stage !== "TAKEN_BACK") : [];
  } catch {
    return [];
  }
}

async function load() {
  try {
    const answer = await fetch(box.dataset.drawn, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    chartData = { ...await answer.json(), emptyings: await emptyings() };
  } catch (error) {
    const failed = document.createElement("p");
    failed.className = "waiting";
    failed.setAttribute("role", "alert");
    failed.textContent = `The chart could not be loaded. ${error.message} `;
    const again = document.createElement("button");
    again.type = "button";
    again.className = "plain";
    again.textContent = "Try again";
    again.addEventListener("click", load);
    failed.append(again);
    box.replaceChildren(failed);
    return;
  }
  draw();
  tabulate();
  // A long history is summed up part by part when somebody first looks at it.
  if (!chartData.complete && chartData.high.length && repeats > 0) { repeats -= 1; setTimeout(load, 50); }
  label();
}

function label() {
  const levels = chartData.points.map((p) => p[1]);
  if (!levels.length) return;
  box.tabIndex = 0;
  box.setAttribute("role", "application");
  box.setAttribute("aria-label",
    `Chart of the level: from ${Math.min(...levels).toFixed(0)} to ${Math.max(...levels).toFixed(0)} percent. Arrow keys read it point by point.`);
}

// Draws what has come since, and leaves the reader at the same point and in the same part of the chart.
function redraw(fresh) {
  // Somebody drags, or has selected text in the table of points: the next time is as good.
  const selection = getSelection();
  if (!chart || box.matches(":active") || (!selection.isCollapsed && selection.containsNode(points, true))) return;
  const { min, max } = chart.scales.x;
  const isPart = Math.abs(min - whole[0]) > 1 || Math.abs(max - whole[1]) > 1;
  const read = chart.cursor.idx != null ? chartData.points[chart.cursor.idx]?.[0] : undefined;
  chartData = fresh;
  draw();
  tabulate();
  label();
  // A batch is done at once: the point's place depends on the scale.
  chart.batch(() => { if (isPart) chart.setScale("x", { min, max }); });
  const index = chartData.points.findIndex(([at]) => at === read);
  if (index >= 0) point(index);
}

if (box) {
  box.querySelector(".waiting").textContent = "Drawing the chart…";
  load();
  box.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1, PageDown: 20, PageUp: -20, End: Infinity, Home: -Infinity }[event.key];
    if (by === undefined || !chart || !chartData.points.length) return;
    event.preventDefault();
    step(by);
  });
  new ResizeObserver(() => { if (chart && chart.width !== box.clientWidth) chart.setSize({ width: box.clientWidth, height: 300 }); }).observe(box);
  points.addEventListener("toggle", tabulate);
  box.addEventListener("news", async (event) => redraw({ ...event.detail, emptyings: await emptyings() }));
  document.addEventListener("themechange", () => { if (chartData) draw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (chartData) draw(); });
}
