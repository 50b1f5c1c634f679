// The map: points on a plain ground, or on tiles where a setting names some.
"use strict";

const ground = document.getElementById("map");

async function drawMap() {
  const answer = await fetch(ground.dataset.places, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  let { places } = await answer.json();
  if (!places?.length) return;
  ground.replaceChildren();
  const map = L.map(ground, { renderer: L.canvas({ padding: 0.3 }), attributionControl: Boolean(ground.dataset.by), zoomSnap: 0.5 });
  if (ground.dataset.tiles) {
    const by = document.createElement("span");
    by.textContent = ground.dataset.by;
    L.tileLayer(ground.dataset.tiles, { attribution: by.outerHTML, maxZoom: 19 }).addTo(map);
  }
  L.control.scale({ imperial: false }).addTo(map);
  const tint = (name) => {
    const probe = document.createElement("i");
    probe.className = `tint-${name}`;
    ground.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const layer = L.layerGroup().addTo(map);
  const paint = () => {
    layer.clearLayers();
    const colours = { FULL: tint("full"), SILENT: tint("silent"), OK: tint("accent") };
    const rim = tint("rim");
    // The urgent ones last, so that they lie on top.
    for (const status of ["OK", "SILENT", "FULL"]) {
      for (const place of places.filter((one) => one.status === status)) {
        const radius = place.count > 1 ? Math.min(24, 6 + 3 * Math.log2(place.count)) : 6;
        const dot = L.circleMarker([place.lat, place.lon], { radius, weight: 1, color: rim, fillColor: colours[status], fillOpacity: 0.85 });
        dot.bindPopup(() => popup(place));
        layer.addLayer(dot);
      }
    }
  };
  map.fitBounds(L.latLngBounds(places.map((one) => [one.lat, one.lon])).pad(0.1), { animate: false, maxZoom: 16 });
  paint();
  document.addEventListener("themechange", paint);
  document.addEventListener("news", (event) => {
    // A popup that somebody reads would close; the next news are as good.
    if (!event.detail.places || map.getPane("popupPane").childElementCount) return;
    places = event.detail.places;
    paint();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
}

function popup(place) {
  const box = document.createElement("div");
  if (place.count > 1) {
    box.textContent = `${place.count} cans, the fullest at ${place.level} %`;
  } else {
    const link = document.createElement("a");
    link.href = `/reports/${encodeURIComponent(place.can_id)}`;
    link.textContent = place.can_id;
    box.append(link, ` ${place.level} %, ${place.status}`);
  }
  return box;
}

if (ground) drawMap();
