// The fleet over time: charts, one under the other, read together with the arrow keys.
"use strict";

const series = document.querySelector(".series");
const noted = document.getElementById("series-note");
const zone = series.dataset.zone;
const whole = new Intl.DateTimeFormat("en-GB", { timeZone: zone, dateStyle: "medium", timeStyle: "short" });
const dayOfUtc = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", dateStyle: "medium" });
const shortDay = (inZone) => new Intl.DateTimeFormat("en-GB", { timeZone: inZone, day: "numeric", month: "short" });
const hourOnly = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });

const STREAM_TINTS = ["accent", "nearly", "suspect", "full", "tilt", "soft"];
let told = null;
let plots = [];
let at = null;

const isDaily = () => told.step_s === 86400;
const streams = () => {
  const seen = new Map();
  for (const point of told.points) for (const name of Object.keys(point.full_percent_by_stream)) seen.set(name, true);
  // By name: a stream has one colour in every range.
  return [...seen.keys()].sort().slice(0, STREAM_TINTS.length);
};
const charts = () => [
  { title: "Cans that are full", unit: " %", lines: [["full", (point) => point.full_percent]] },
  { title: "Of each stream, full", unit: " %", lines: streams().map((name, index) => [STREAM_TINTS[index], (point) => point.full_percent_by_stream[name] ?? null, name || "unknown"]) },
  { title: "Cans that are silent", unit: " %", lines: [["silent", (point) => point.silent_percent]] },
  { title: isDaily() ? "Reports a day" : "Reports an hour", unit: "", columns: true, lines: [["accent", (point) => point.reports]] },
  { title: isDaily() ? "Collections a day" : "Collections an hour", unit: "", columns: true, lines: [["accent", (point) => point.emptied]] },
  { title: isDaily() ? "Overflow hours a day" : "Overflow hours", unit: "", columns: true, lines: [["full", (point) => point.overflow_h]] },
].filter((chart) => chart.lines.length);

function tick(seconds, stepS) {
  if (isDaily()) return shortDay("UTC").format(seconds * 1000);
  const time = hourOnly.format(seconds * 1000);
  return stepS >= 86400 || time === "00:00" ? shortDay(zone).format(seconds * 1000) : time;
}

function framed({ title, lines }) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = title;
  if (lines.length > 1) for (const [tint, , name] of lines) {
    const key = document.createElement("span");
    key.className = `key-${tint}`;
    key.textContent = name;
    caption.append(" ", key);
  }
  figure.append(caption);
  series.append(figure);
  return figure;
}

function draw() {
  for (const plot of plots) plot.destroy();
  series.replaceChildren();
  const xs = told.points.map((point) => Date.parse(point.at) / 1000);
  const ink = painted("soft"), line = painted("line");
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  // All frames first: the first one alone is as wide as the page.
  const frames = charts().map((chart) => ({ ...chart, figure: framed(chart) }));
  plots = frames.map(({ unit, lines, columns, figure }) => {
    return new uPlot({
      width: figure.clientWidth,
      height: 150,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), isDaily() ? "UTC" : zone),
      legend: { show: false },
      cursor: { y: false, points: { size: 7 }, sync: { key: "fleet" } },
      scales: { x: { range: [xs[0] - told.step_s / 2, xs.at(-1) + told.step_s / 2] }, y: { range: (_, least, most) => [0, Math.max(1, (most ?? 1) * 1.1)] } },
      axes: [
        { ...axis, size: 32, values: (_, splits, _axis, _space, step) => splits.map((each) => tick(each, step)) },
        { ...axis, size: 56, values: (_, values) => values.map((value) => `${value.toLocaleString("en-GB")}${unit}`) },
      ],
      series: [{}, ...lines.map(([tint]) => ({
        stroke: painted(tint), width: columns ? 1 : 1.75, spanGaps: false,
        ...(columns ? { fill: painted(tint), paths: uPlot.paths.bars({ size: [0.8, 24] }), points: { show: false } } : { points: { show: xs.length < 30 } }),
      }))],
      hooks: { setCursor: [(plot) => { if (plot.cursor.idx != null && plot.cursor.idx !== at) say(plot.cursor.idx); }] },
    }, [xs, ...lines.map(([, value]) => told.points.map(value))], figure);
  });
  series.tabIndex = 0;
  series.setAttribute("role", "application");
  series.setAttribute("aria-label", `Charts of the fleet over ${told.points.length} ${isDaily() ? "days" : "hours"}. Arrow keys read them point by point.`);
  noted.textContent = "Click the charts or tab to them, then read them with the arrow keys.";
}

function say(index) {
  at = index;
  const point = told.points[index];
  const when = isDaily() ? `${dayOfUtc.format(Date.parse(point.at))} UTC` : `${whole.format(Date.parse(point.at))} ${zone}`;
  const number = (value, word) => (value == null ? `${word} not known` : `${value.toLocaleString("en-GB")} ${word}`);
  const counted = point.hours
    ? `${point.cans.toLocaleString("en-GB")} cans, ${point.full_percent ?? 0} % full, ${point.silent_percent ?? 0} % silent`
    : "cans not counted";
  noted.ariaLive = "polite";
  noted.textContent = `${when}: ${counted}; ${number(point.reports, "reports")}; ${number(point.emptied, "collections")}; ${number(point.overflow_h, "overflow hours")}`;
}

function step(by) {
  const last = told.points.length - 1;
  const from = at ?? (by > 0 ? -1 : last + 1);
  const index = Math.max(0, Math.min(last, Math.abs(by) === Infinity ? (by > 0 ? last : 0) : from + by));
  say(index);
  for (const plot of plots) plot.setCursor({ left: plot.valToPos(plot.data[0][index], "x"), top: 10 }, false);
}

async function load() {
  try {
    const answer = await fetch(series.dataset.source, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    told = await answer.json();
    draw();
  } catch (error) {
    const failed = document.createElement("p");
    failed.className = "waiting";
    failed.setAttribute("role", "alert");
    failed.textContent = `The charts could not be loaded. ${error.message}`;
    series.replaceChildren(failed);
  }
}

series.addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowLeft: -1, PageDown: 7, PageUp: -7, End: Infinity, Home: -Infinity }[event.key];
  if (by === undefined || !plots.length) return;
  event.preventDefault();
  step(by);
});
new ResizeObserver(() => { for (const plot of plots) if (plot.width !== plot.root.parentNode.clientWidth) plot.setSize({ width: plot.root.parentNode.clientWidth, height: 150 }); }).observe(series);
document.addEventListener("themechange", () => { if (told) draw(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (told) draw(); });
load();
