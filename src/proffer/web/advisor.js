// The advisor's demo page. Who serves it puts workspace, tokens, person and assessments behind the # of its address,
// which a browser never sends to a server: /demo#workspace=advisor&read=...&track=...&user=u1&assessments=a1,a2
import { createTracker } from "/tracker.mjs";

const given = new URLSearchParams(location.hash.slice(1));
const api = `/api/v1/${encodeURIComponent(given.get("workspace") ?? "advisor")}`;
const user = given.get("user") ?? undefined;
const SHOWN = 12;
const ACTIONS = [
  ["save", "Save for later"],
  ["implement", "Mark as implemented"],
  ["share", "Share"],
  ["dismiss", "Dismiss"],
];
const FACTS = ["category", "provider", "saving", "cost", "effort", "risk", "priority", "confidence"];
const at = (id) => document.getElementById(id);
const ranks = new Map();
const answers = new Map();
let asked = 0;

const tracker = createTracker({ writeKey: given.get("track") ?? "", user, interval: 1000 });

async function ask(path) {
  const answer = await fetch(api + path, { headers: { Authorization: `Bearer ${given.get("read")}` } });
  const found = await answer.json();
  if (!answer.ok) throw new Error([found.detail ?? found.title, found.remedy].filter(Boolean).join(" "));
  return found;
}

function make(name, text, attributes = {}) {
  const element = document.createElement(name);
  element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Ask for the order again, once everything told so far is on its way, and say what moved. */
async function rank() {
  const turn = ++asked;
  at("cards").setAttribute("aria-busy", "true");
  const assessment = at("assessment").value;
  const wanted = new URLSearchParams({ n: SHOWN, language: at("language").value });
  if (user) wanted.set("user", user);
  // Untouched it stays out of the question: then the application's own variety holds, where a model serves.
  const { value, defaultValue } = at("variety");
  if (value !== defaultValue) wanted.set("diversity", (1 - value).toFixed(1));
  if (at("aim").value) wanted.set("objectives", at("aim").value);
  try {
    await tracker.flush();
    const slate = await ask(`/recommendations/${encodeURIComponent(assessment)}?${wanted}`);
    // An answer that was overtaken by a later question is not shown.
    if (turn === asked) show(assessment, slate);
  } catch (error) {
    if (turn === asked) at("ranked").textContent = `No order: ${error.message}`;
  }
  if (turn === asked) at("cards").setAttribute("aria-busy", "false");
}

function show(assessment, slate) {
  const before = ranks.get(assessment);
  const now = new Map(slate.items.map((item) => [item.recommendation_id, item.rank]));
  ranks.set(assessment, now);
  const cards = at("cards");
  cards.dataset.profferQuery = slate.query_id;
  cards.replaceChildren(...slate.items.map((item) => card(item, before)));
  at("ranked").textContent = [orderedBy(slate), changes(slate, before, now)].filter(Boolean).join(" ");
}

function orderedBy({ summary, model, items }) {
  if (!items.length) return summary.reason ?? "Nothing to recommend.";
  const by = summary.ml_ranking_applied
    ? `Ordered by the learnt model ${model}.`
    : `Ordered by ${model}, since ${summary.reason}.`;
  const variety = summary.diversity_score == null ? "" : ` Diversity ${summary.diversity_score.toFixed(2)} of 1.`;
  return `${by} ${summary.candidates} recommendations.${variety}`;
}

function changes({ items }, before, now) {
  if (!before) return "";
  const moved = items.filter((item) => before.get(item.recommendation_id) !== item.rank).length;
  const gone = [...before.keys()].filter((id) => !now.has(id)).length;
  return moved || gone
    ? `Since the last time ${moved} stand elsewhere${gone ? `, ${gone} left the list` : ""}.`
    : "The order is as before.";
}

function card(item, before) {
  const id = item.recommendation_id;
  const about = item.attributes ?? {};
  const element = make("li", "", { "data-proffer-item": id, "data-proffer-position": item.rank });
  const head = make("h2", "");
  head.append(
    make("span", item.rank, { class: "rank" }),
    make("span", about.title ?? id),
    moved(item.rank, before, id),
  );
  const why = (item.reasons ?? []).map((reason) => reason.text ?? reason).join("; ");
  const more = make("details", "");
  more.append(make("summary", "Details"), make("p", about.text ?? "No description.", { class: "facts" }));
  element.append(
    head,
    make("p", facts(about), { class: "facts" }),
    make("p", why, { class: "why" }),
    more,
    buttons(id),
  );
  element.classList.toggle(
    "done",
    ["implement", "dismiss"].some((type) => answers.get(id)?.has(type)),
  );
  return element;
}

function moved(rank, before, id) {
  const was = before?.get(id);
  const up = was - rank;
  if (!before || up === 0) return make("span", "", { class: "moved" });
  if (was === undefined) return make("span", "new here", { class: "moved up" });
  return make("span", `${up > 0 ? "▲" : "▼"} ${Math.abs(up)}`, { class: `moved ${up > 0 ? "up" : "down"}` });
}

function facts(about) {
  const told = FACTS.filter((name) => about[name] != null && about[name] !== "");
  return told
    .map((name) => `${name} ${typeof about[name] === "number" ? +about[name].toFixed(2) : about[name]}`)
    .join(" · ");
}

function buttons(id) {
  const row = make("div", "", { class: "buttons" });
  const done = answers.get(id) ?? new Map();
  for (const [type, text] of ACTIONS)
    row.append(make("button", text, { type: "button", "data-proffer-action": type, "aria-pressed": done.has(type) }));
  const stars = make("span", "", { class: "stars", role: "group", "aria-label": "Rate" });
  for (let star = 1; star <= 5; star++) {
    const attributes = {
      type: "button",
      "data-proffer-action": "rate",
      "data-proffer-value": star,
      "aria-label": `${star} of 5`,
    };
    stars.append(
      make("button", star <= (done.get("rate") ?? 0) ? "★" : "☆", {
        ...attributes,
        class: star <= (done.get("rate") ?? 0) ? "on" : "",
      }),
    );
  }
  row.append(stars);
  return row;
}

/** The tracker tells of the answer by itself; the page remembers what its buttons show. */
function answered(event) {
  const button = event.target.closest("[data-proffer-action]");
  const item = button?.closest("[data-proffer-item]")?.dataset.profferItem;
  if (!item) return;
  const done = answers.get(item) ?? answers.set(item, new Map()).get(item);
  done.set(button.dataset.profferAction, Number(button.dataset.profferValue ?? 1));
  if (at("eager").checked) void rank();
  else button.closest(".buttons").replaceWith(buttons(item));
}

async function choose() {
  at("about").textContent = "";
  const assessment = at("assessment").value;
  await rank();
  try {
    const about = await ask(`/entities/assessment/${encodeURIComponent(assessment)}`);
    const facts = ["industry", "company_size", "workload", "provider", "priority", "budget"].filter(
      (name) => about[name] != null,
    );
    const line = facts.map((name) => `${name.replace("_", " ")} ${about[name]}`).join(" · ");
    at("about").textContent = [about.title, line, about.goals].filter(Boolean).join(". ");
  } catch {
    // The order is what matters.
  }
}

function tell() {
  const { off, ...counts } = tracker.state();
  const told = Object.entries(counts).filter(([name, number]) => number || name === "sent");
  at("told").textContent = off
    ? `Nothing is told: ${off}.`
    : `Events ${told.map(([name, number]) => `${name} ${number}`).join(", ")}.`;
  at("out").textContent = off === "opt-out" ? "Tell again" : "Tell nothing any more";
}

const assessments = (given.get("assessments") ?? "").split(",").filter(Boolean);
at("assessment").append(...assessments.map((id) => make("option", id, { value: id })));
at("asked").addEventListener("submit", (event) => (event.preventDefault(), void rank()));
for (const id of ["aim", "language", "variety"]) at(id).addEventListener("change", () => void rank());
at("assessment").addEventListener("change", () => void choose());
at("cards").addEventListener("click", answered);
at("out").addEventListener(
  "click",
  () => (tracker.state().off === "opt-out" ? tracker.optIn() : tracker.optOut(), tell()),
);
tracker.observe();
setInterval(tell, 500);
tell();
if (assessments.length && given.get("read")) void choose();
else
  at("ranked").textContent = "Open this page by the address that `make demo` shows: it holds what this page may read.";
