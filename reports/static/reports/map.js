// The map: points on a plain ground, or on tiles where a setting names some.
"use strict";

const ground = document.getElementById("map");

async function drawMap() {
  const answer = await fetch(ground.dataset.drawn, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  let { places, cell } = await answer.json();
  if (!places?.length) return;
  ground.replaceChildren();
  const map = L.map(ground, { renderer: L.canvas({ padding: 0.3 }), attributionControl: Boolean(ground.dataset.by), zoomSnap: 0.25 });
  if (ground.dataset.tiles) {
    const by = document.createElement("span");
    by.textContent = ground.dataset.by;
    L.tileLayer(ground.dataset.tiles, { attribution: by.outerHTML, maxZoom: 19 }).addTo(map);
  }
  L.control.scale({ imperial: false, maxWidth: 160 }).addTo(map);
  const layer = L.layerGroup().addTo(map);
  const paint = () => {
    layer.clearLayers();
    const colours = { FIRE: painted("fire"), TILT: painted("tilt"), FULL: painted("full"), SILENT: painted("silent"), SUSPECT: painted("suspect"), FILLING: painted("nearly"), OK: painted("accent"), NEW: painted("accent") };
    const rim = painted("rim");
    if (cell) {
      const most = Math.max(...places.map((one) => one.count));
      for (const place of places) drawCell(place, most, colours, rim);
      return;
    }
    // The urgent ones last, so that they lie on top.
    for (const status of ["NEW", "OK", "FILLING", "SUSPECT", "SILENT", "FULL", "TILT", "FIRE"]) {
      for (const place of places.filter((one) => one.status === status)) {
        dot(L.circleMarker([place.lat, place.lon], { radius: 6, weight: 1, color: rim, fillColor: colours[status], fillOpacity: 0.85 }), place);
      }
    }
  };
  const dot = (drawn, place) => layer.addLayer(drawn.bindPopup(() => popup(place)));
  // As large as its share of the largest cell, which fills its place in the grid; in red as much of it as is full.
  const drawCell = (place, most, colours, rim) => {
    const half = cell * 111_320 / 2;
    const radius = half * Math.max(0.3, Math.sqrt(place.count / most));
    const at = [place.lat, place.lon];
    // One burning can must not vanish among a thousand.
    const told = ["FIRE", "TILT"].includes(place.status) || (place.status === "SILENT" && place.count === 1);
    const colour = told ? colours[place.status] : colours.OK;
    dot(L.circle(at, { radius, weight: 1, color: rim, fillColor: colour, fillOpacity: 0.7 }), place);
    if (place.full) dot(L.circle(at, { radius: radius * Math.sqrt(place.full / place.count), stroke: false, fillColor: colours.FULL, fillOpacity: 1 }), place);
  };
  map.fitBounds(L.latLngBounds(places.map((one) => [one.lat, one.lon])).pad(0.05), { animate: false, maxZoom: 16 });
  paint();
  document.addEventListener("themechange", paint);
  let isPast = false, present = { places, cell };
  const show = (shown) => {
    ({ places, cell } = shown);
    paint();
  };
  ground.addEventListener("news", (event) => {
    // A popup that somebody reads would close; the next news are as good.
    if (!event.detail.places || map.getPane("popupPane").childElementCount) return;
    present = event.detail;
    if (!isPast) show(present);
  });
  offerReplay((frame) => {
    map.closePopup();
    isPast = frame !== null;
    show(frame ?? present);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
}

// A slider over the last 24 hours; at its right end is the present. show: draws a frame, the present for null.
function offerReplay(show) {
  const replay = document.querySelector("[data-replay]");
  const [button, slider, said] = ["button", "input", "output"].map((name) => replay.querySelector(name));
  const hour = new Intl.DateTimeFormat("en-GB", { timeZone: replay.dataset.zone, dateStyle: "medium", timeStyle: "short" });
  let told = null, timer = null;
  const at = (index) => {
    if (index >= told.frames.length) {
      said.textContent = "now";
      show(null);
      return;
    }
    const frame = told.frames[index], when = `${hour.format(Date.parse(frame.at))} ${replay.dataset.zone}`;
    said.textContent = frame.cell === null ? `${when}: not counted` : when;
    slider.setAttribute("aria-valuetext", said.textContent);
    show(framePlaces(told, frame));
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "Replay the last day";
  };
  const play = () => {
    if (Number(slider.value) >= told.frames.length) slider.value = 0;
    at(Number(slider.value));
    button.textContent = "Stop";
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      at(Number(slider.value));
      if (Number(slider.value) >= told.frames.length) stop();
    }, 600);
  };
  button.addEventListener("click", async () => {
    if (timer) return stop();
    if (!told) {
      const answer = await fetch(replay.dataset.replay, { headers: { Accept: "application/json" } });
      if (!answer.ok) { said.textContent = "The last day cannot be shown just now."; return; }
      told = await answer.json();
      slider.hidden = false;
    }
    play();
  });
  slider.addEventListener("input", () => { stop(); at(Number(slider.value)); });
  replay.hidden = false;
}

// A frame as the overview tells places; of a can in the past only its status is known.
function framePlaces({ statuses, cans }, frame) {
  if (frame.cell) {
    return { cell: frame.cell, places: frame.cells.map(([lat, lon, count, full]) => ({ lat, lon, count, full, status: "OK" })) };
  }
  const there = [...frame.digits].map((digit, index) => [digit, cans[index]]).filter(([digit]) => digit !== "-");
  return { cell: 0, places: there.map(([digit, [lat, lon, can_id]]) => ({ lat, lon, can_id, count: 1, status: statuses[digit] })) };
}

function popup(place) {
  const box = document.createElement("div");
  if (place.count > 1) {
    const fullest = place.level === undefined ? "" : `, the fullest at ${place.level} %`;
    box.textContent = `${place.count} cans, ${place.full} of them full${fullest}`;
  } else {
    const link = document.createElement("a");
    link.href = `/reports/${encodeURIComponent(place.can_id)}`;
    // As pages write it: what nobody sees, and what turns the direction, as its escape.
    link.textContent = place.can_id.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (one) => `\\u${one.codePointAt(0).toString(16).padStart(4, "0")}`);
    box.append(link, place.level === undefined ? ` was ${place.status}` : ` ${place.level} %, ${place.status}`);
  }
  return box;
}

if (ground) drawMap();
