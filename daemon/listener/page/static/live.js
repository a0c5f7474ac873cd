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

const PATIENCE = 15000; // milliseconds: several attempts of the browser to connect again
let broken; // the timer of a stream that does not work

function works() {
  clearTimeout(broken);
  broken = undefined;
  document.getElementById("silent").hidden = true;
}

function breaks() {
  if (broken !== undefined) return; // another attempt has failed
  const since = new Date().toISOString();
  broken = setTimeout(() => {
    const notice = document.getElementById("silent");
    notice.querySelector("time").textContent = `${since.slice(11, 16)} UTC`;
    notice.hidden = false;
  }, PATIENCE);
}

function follow() {
  const stream = new EventSource(page.dataset.live);
  stream.addEventListener("open", works);
  stream.addEventListener("message", receive);
  stream.addEventListener("error", () => {
    breaks();
    if (stream.readyState !== EventSource.CLOSED) return; // the browser asks again by itself
    setTimeout(follow, 30000);
  });
}

if (page) follow();
