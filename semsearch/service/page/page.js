// Search as you type over /search, and the passage view over /passage. What comes out of documents is only ever put
// into the page as text: documents are not to be trusted.
"use strict";

const WAIT_MS = 30; // keys that follow each other faster are one search
const RESULTS = 20;
const AROUND = 15; // lines before and after a passage
const STEP = 100; // lines that "earlier" and "later" add
const SNIPPET = 320; // characters of a result

const byId = (id) => document.getElementById(id);
const query = byId("query");
const results = byId("results");
const main = byId("main");
const passage = byId("passage");
const FILTERS = ["mode", "group", "path", "type", "since", "before"];

function made(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function say(text, bad = false) {
  byId("said").textContent = text;
  byId("said").classList.toggle("bad", bad);
}

// -- the service

const TOKEN = "semsearch-token";

function takeTokenFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(TOKEN, given);
    history.replaceState(null, "", location.pathname + location.search);
  }
}

class Failure extends Error {}

async function asked(path, parameters, signal) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let answer;
  try {
    answer = await fetch(`${path}?${parameters}`, { headers, signal, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("the service does not answer");
  }
  let body;
  try {
    body = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("the service gave no answer that can be read");
  }
  if (answer.ok) return body;
  if (answer.status === 401) askForToken(Boolean(token));
  const { message, hint } = body.error || {};
  throw new Failure(hint && answer.status === 400 ? `${message} (${hint})` : message || `status ${answer.status}`);
}

function askForToken(wasWrong) {
  byId("refused").textContent = wasWrong ? "That token is not the one." : "";
  if (!byId("login").open) byId("login").showModal();
  byId("token").focus();
}

byId("login-form").addEventListener("submit", () => {
  sessionStorage.setItem(TOKEN, byId("token").value.trim());
  byId("token").value = "";
  begin();
  query.focus();
});

// -- search as you type

let timer = 0;
let running = null; // AbortController of the search whose answer is waited for
let hits = [];

function parameters() {
  const chosen = new URLSearchParams({ query: query.value, k: RESULTS });
  for (const name of FILTERS) {
    const value = byId(name).value.trim();
    if (!value) continue;
    for (const one of name === "type" ? value.split(/[\s,]+/).filter(Boolean) : [value]) chosen.append(name, one);
  }
  return chosen;
}

function remember() {
  const kept = new URLSearchParams();
  if (query.value.trim()) kept.set("q", query.value);
  for (const name of FILTERS) {
    const { value, options } = byId(name);
    if (value && !(options && value === options[0].value)) kept.set(name, value);
  }
  const filters = [...kept.keys()].filter((name) => name !== "q").length;
  byId("active").textContent = filters ? ` (${filters})` : "";
  history.replaceState(null, "", kept.size ? `?${kept}` : location.pathname);
}

async function search() {
  clearTimeout(timer);
  if (running) running.abort();
  running = null;
  remember();
  if (!query.value.trim()) {
    show([]);
    say("");
    byId("keys").hidden = false;
    return;
  }
  const mine = (running = new AbortController());
  const began = performance.now();
  try {
    const found = await asked("search", parameters(), mine.signal);
    if (running !== mine) return; // a later search has been asked for
    show(found.results);
    const took = Math.max(1, Math.round(performance.now() - began));
    const count = found.results.length;
    const some = count === RESULTS ? `the best ${count} results` : count === 1 ? "1 result" : `${count} results`;
    say(count ? [`${some} in ${took} ms`, ...found.notices].join(" · ") : found.notices.join(" · ") || "nothing found");
    byId("keys").hidden = count > 0;
  } catch (error) {
    if (error.name === "AbortError" || running !== mine) return;
    show([]);
    say(error.message, true);
    if (!(error instanceof Failure)) throw error;
  }
}

function searchSoon() {
  clearTimeout(timer);
  timer = setTimeout(search, WAIT_MS);
}

async function welcome() {
  try {
    // The first search opens the model, if the service has let it go: better now than at the first key.
    asked("search", new URLSearchParams({ query: "a", k: 1 })).catch(() => {});
    const { indexes } = await asked("status", new URLSearchParams());
    const files = indexes.reduce((sum, index) => sum + index.files.indexed, 0);
    const folders = indexes.flatMap((index) => index.roots.map((root) => root.path));
    if (!query.value) say(`${files} ${files === 1 ? "file" : "files"} in ${folders.join(", ")}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    say(error.message, true);
  }
}

function placeOf(hit) {
  const sentence = hit.sentence || hit;
  if (sentence.line_start !== null) return `${hit.path}:${sentence.line_start}`;
  return sentence.page !== null ? `${hit.path}:p${sentence.page}` : hit.path;
}

function show(found) {
  hits = found;
  results.replaceChildren(...found.map(resultOf));
  results.parentElement.scrollTop = 0;
}

function resultOf(hit, number) {
  const button = made("button", "hit");
  button.type = "button";
  button.dataset.number = number;
  const where = made("span", "where");
  where.append(made("span", "at", placeOf(hit)), made("span", "score", hit.score.toFixed(2)));
  where.lastChild.title = "how well it answers, 0 to 1";
  button.append(where);
  if (hit.heading) button.append(made("span", "heading", hit.heading));
  button.append(snippetOf(hit));
  const item = made("li");
  item.append(button);
  return item;
}

function snippetOf(hit) {
  const shown = made("span", "text");
  shown.dir = "auto";
  const text = Array.from(hit.text); // places are counted in characters, not in units of UTF-16
  const { start, end } = hit.sentence || { start: 0, end: 0 };
  const last = Math.min(end, start + SNIPPET);
  const spare = Math.max(0, SNIPPET - (last - start));
  const from = Math.max(0, start - Math.floor(spare / 3));
  const to = Math.min(text.length, last + (spare - (start - from)));
  // Without the lines under headings and the marks before them, which say nothing on one line.
  const part = (a, b) => text.slice(a, b).join("").replace(/[=~^*#_-]{3,}|^#+ /gm, " ").replace(/\s+/g, " ");
  const before = part(from, start);
  shown.append(from > 0 ? "…" + before.replace(/^\S{0,15}(?=\s)/, "") : before.trimStart());
  if (last > start) shown.append(made("mark", "", part(start, last)));
  const after = part(last, to);
  shown.append(to < text.length ? after.replace(/\s\S{0,15}$/, "") + " …" : after);
  return shown;
}

function begin() {
  if (query.value.trim()) search();
  else welcome();
}

// -- the passage view

let opened = null; // { hit, first, last, button }

async function open(number) {
  const hit = hits[number];
  if (!hit) return;
  const button = results.children[number].firstChild;
  for (const one of results.querySelectorAll("[aria-current]")) one.removeAttribute("aria-current");
  button.setAttribute("aria-current", "true");
  const numbered = hit.line_start !== null;
  opened = {
    hit,
    button,
    first: numbered ? Math.max(1, hit.line_start - AROUND) : null,
    last: numbered ? hit.line_end + AROUND : null,
  };
  byId("place").textContent = placeOf(hit);
  byId("lines").replaceChildren();
  main.classList.add("reading");
  passage.hidden = false;
  await load();
  const best = byId("lines").querySelector(".best, mark");
  passage.scrollTop = 0;
  if (best) best.scrollIntoView({ block: "center" });
  passage.focus({ preventScroll: true });
}

async function load() {
  const mine = opened;
  const { hit, first, last } = mine;
  const wanted = new URLSearchParams({ path: hit.path, limit: 2000 });
  if (first !== null) wanted.set("lines", `${first}-${last}`);
  else if (hit.page !== null) wanted.set("page", hit.page);
  try {
    const shown = await asked("passage", wanted);
    if (opened !== mine) return;
    byId("note").hidden = !shown.change;
    byId("note").textContent = shown.change ? `The file ${shown.change}.` : "";
    showLines(shown.lines, hit);
    const numbers = shown.lines.map((line) => line.line).filter((number) => number !== null);
    byId("earlier").hidden = first === null || first <= 1;
    byId("later").hidden = first === null || !numbers.length || Math.max(...numbers) < last;
  } catch (error) {
    if (opened !== mine) return;
    byId("earlier").hidden = byId("later").hidden = true;
    byId("note").hidden = false;
    byId("note").textContent = error.message;
    if (!(error instanceof Failure)) throw error;
  }
}

function showLines(lines, hit) {
  const marks = markedIn(lines, hit);
  const sentence = hit.sentence;
  let page = null;
  let before = null;
  const rows = [];
  lines.forEach((line, number) => {
    if (line.page !== null && line.page !== page) {
      rows.push(made("div", "gap", `Page ${line.page}`));
      page = line.page;
    } else if (before !== null && line.line !== null && line.line > before + 1) {
      rows.push(made("div", "gap"));
    }
    before = line.line;
    const isBest = sentence && line.line !== null && sentence.line_start <= line.line && line.line <= sentence.line_end;
    const row = made("div", isBest || marks[number] ? "line best" : "line");
    row.append(made("span", "number", line.line === null ? "" : String(line.line)));
    const content = made("span", "content");
    content.dir = "auto";
    const [from, to] = marks[number] || [0, 0];
    content.append(line.text.slice(0, from));
    if (to > from) content.append(made("mark", "", line.text.slice(from, to)));
    content.append(line.text.slice(to) || "\u200b");
    row.append(content);
    rows.push(row);
  });
  byId("lines").replaceChildren(...rows);
}

// [from, to] in each line that the best sentence stands in, by the number of the line in `lines`.
function markedIn(lines, hit) {
  const marks = {};
  const sentence = hit.sentence && hit.sentence.text;
  if (!sentence) return marks;
  const starts = [];
  let whole = "";
  for (const line of lines) {
    starts.push(whole.length);
    whole += line.text + "\n";
  }
  const near = lines.findIndex((line) => line.line !== null && line.line >= (hit.sentence.line_start ?? 0));
  let at = whole.indexOf(sentence, near > 0 ? starts[near] : 0);
  if (at < 0) at = whole.indexOf(sentence);
  if (at < 0) return marks;
  lines.forEach((line, number) => {
    const from = Math.max(0, at - starts[number]);
    const to = Math.min(line.text.length, at + sentence.length - starts[number]);
    if (to > from) marks[number] = [from, to];
  });
  return marks;
}

function close() {
  if (!opened) return;
  const { button } = opened;
  opened = null;
  main.classList.remove("reading");
  passage.hidden = true;
  if (button.isConnected) {
    button.removeAttribute("aria-current");
    button.focus();
  } else {
    query.focus();
  }
}

// -- keys and clicks

function move(step) {
  const buttons = [...results.querySelectorAll(".hit")];
  if (!buttons.length) return;
  const now = buttons.indexOf(document.activeElement);
  const next = now + step;
  if (next < 0) query.focus();
  else buttons[Math.min(next, buttons.length - 1)].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || byId("login").open) return;
  const target = event.target;
  const inField = target.matches("input, select, textarea");
  const inList = target === query || target.classList.contains("hit");
  if (event.key === "/" && !inField) {
    event.preventDefault();
    query.focus();
    query.select();
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && inList) {
    event.preventDefault();
    move(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Escape") {
    if (opened) close();
    else if (target === query && query.value) {
      query.value = "";
      search();
    } else query.focus();
    event.preventDefault();
  } else if (event.key === "Enter" && target === query) {
    event.preventDefault();
    search().then(() => open(0));
  }
});

results.addEventListener("click", (event) => {
  const button = event.target.closest(".hit");
  if (button) open(Number(button.dataset.number));
});
byId("form").addEventListener("submit", (event) => event.preventDefault());
query.addEventListener("input", searchSoon);
for (const name of FILTERS) byId(name).addEventListener("input", searchSoon);
byId("clear").addEventListener("click", () => {
  for (const name of FILTERS) {
    const field = byId(name);
    field.value = field.options ? field.options[0].value : "";
  }
  search();
});
byId("close").addEventListener("click", close);
byId("earlier").addEventListener("click", () => {
  opened.first = Math.max(1, opened.first - STEP);
  load();
});
byId("later").addEventListener("click", () => {
  opened.last += STEP;
  load();
});
byId("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(placeOf(opened.hit));
  say("the place is copied");
});

// -- dark and light

const THEME = "semsearch-theme";

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  byId("theme").setAttribute("aria-pressed", String(isDark()));
}

byId("theme").addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  localStorage.setItem(THEME, theme);
  setTheme(theme);
});

// -- the beginning

takeTokenFromAddress();
setTheme(localStorage.getItem(THEME));
const given = new URLSearchParams(location.search);
query.value = given.get("q") || "";
for (const name of FILTERS) if (given.has(name)) byId(name).value = given.get(name);
byId("filters").open = FILTERS.some((name) => given.has(name));
begin();
