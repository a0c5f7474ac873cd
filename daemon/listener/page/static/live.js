// Shows what has changed without a reload. Everything works without it too.
"use strict";

const page = document.querySelector("[data-live]");

function show(spots, site) {
  for (const place of document.querySelectorAll("[data-site]")) {
    if (place.dataset.site !== site || spots[place.dataset.spot] === undefined) continue;
    const text = spots[place.dataset.spot];
    if (place instanceof HTMLProgressElement) {
      place.hidden = text === "";
      place.value = Number(text);
    } else if (place.textContent !== text) place.textContent = text; // never as HTML: a store may name anything
    if (place.classList.contains("badge")) place.className = `badge ${spots.level}`;
  }
}

function changed() {
  document.getElementById("stale").hidden = false;
}

function receive(message) {
  const news = JSON.parse(message.data);
  const known = new Map([...document.querySelectorAll("[data-shape]")].map((each) => [each.dataset.of, each.dataset.shape]));
  for (const [site, spots] of Object.entries(news.spots)) {
    show(spots, site);
    // Rows and buttons are the server's to make.
    if (!known.has(site) || (known.get(site) && known.get(site) !== spots.shape)) changed();
  }
  if (news.gone.length) changed();
}

const PATIENCE = 40000; // milliseconds: the server sends something every 15 seconds, unless its database is slow
const notice = document.getElementById("silent");
let stream;
// By the clock that nobody sets:
let asked; // when the present stream was asked for
let heard = performance.now();

function hear() {
  heard = performance.now();
  notice.hidden = true;
}

function follow() {
  asked = performance.now();
  stream = new EventSource(page.dataset.live);
  stream.addEventListener("open", hear);
  stream.addEventListener("beat", hear);
  stream.addEventListener("message", (message) => {
    hear();
    receive(message);
  });
}

// A lost network does not end the stream, and after a refusal the browser does not ask again: so silence is watched.
function check() {
  const now = performance.now();
  if (now - heard < PATIENCE) return;
  const since = new Date(Date.now() - (now - heard));
  notice.querySelector("time").textContent = `${since.toISOString().slice(11, 16)} UTC`;
  notice.hidden = false;
  if (now - asked < PATIENCE || stream.readyState === EventSource.CONNECTING) return; // an attempt is under way
  stream.close();
  follow();
}

if (page) {
  follow();
  setInterval(check, 5000);
}
