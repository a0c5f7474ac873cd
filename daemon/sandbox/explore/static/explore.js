// Sends edits, and shows both sides once a second.
"use strict";

const element = (id) => document.getElementById(id);

function say(text, bad) {
  element("message").textContent = text;
  element("message").className = bad ? "bad" : "";
}

function fill(select, options) {
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  if (options.some(([value]) => String(value) === chosen)) select.value = chosen;
}

function line(row) {
  const tr = document.createElement("tr");
  const state = row.same ? "same" : "differs";
  for (const text of [row.what, row.store, row.sparklayer, state]) {
    tr.insertCell().textContent = text; // never as HTML: a title may be anything
  }
  tr.lastElementChild.className = state;
  return tr;
}

function show(view) {
  const units = view.product.units;
  const known = [...element("unit").options].map((option) => option.value).join();
  if (known !== units.map((unit) => unit.id).join()) fill(element("unit"), units.map((unit) => [unit.id, unit.sku]));
  const unit = units.find((each) => String(each.id) === element("unit").value);
  element("set-stock").disabled = !unit || !unit.tracked;
  element("product-rows").replaceChildren(...view.product.rows.map(line));
  element("order-rows").replaceChildren(...view.orders.flatMap((order) => order.rows.map(line)));
  const seconds = Math.ceil(view.down_seconds);
  element("outage").textContent = seconds ? `SparkLayer does not answer for another ${seconds} s.` : "SparkLayer answers.";
}

async function look() {
  try {
    const answer = await fetch(`/view?product=${encodeURIComponent(element("product").value)}`);
    if (answer.ok) show(await answer.json());
  } catch {
    say("The demo has ended.", true);
  }
}

async function send(event) {
  event.preventDefault();
  const form = event.target;
  const edit = Object.fromEntries(new FormData(form));
  if (form.dataset.seconds) edit.seconds = form.dataset.seconds;
  else edit.product = element("product").value;
  if (["/edit/price", "/edit/stock", "/order"].includes(form.dataset.path)) edit.unit = element("unit").value;
  try {
    const answer = await fetch(form.dataset.path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(edit),
    });
    if (answer.ok) say(form.dataset.seconds ? "" : "Done in the store.", false);
    else say(answer.status === 400 ? (await answer.json()).message : await answer.text(), true);
  } catch {
    say("The demo has ended.", true);
  }
  await look();
}

async function begin() {
  const choices = await (await fetch("/choices")).json();
  element("page").href = choices.page;
  fill(element("product"), choices.products.map((product) => [product.id, product.title]));
  fill(element("customer"), choices.customers.map((customer) => [customer.id, customer.name]));
  for (const form of document.forms) form.addEventListener("submit", send);
  element("product").addEventListener("change", look);
  await look();
  setInterval(look, 1000);
}

begin();
