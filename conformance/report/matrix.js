// The filters, the keyboard and the details of matrix.html. Data becomes text nodes, never HTML.
"use strict";

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const table = document.querySelector("table");
const panel = byId("panel");
const filters = byId("filters");
const headers = [...table.querySelectorAll("thead th.subject")];
const names = headers.map((header) => header.textContent.trim());
const groups = [...table.querySelectorAll("tbody[data-heading]")].map((body) => ({
  body,
  heading: body.dataset.heading,
  role: body.dataset.role,
  sums: [...body.querySelectorAll("tr.heading td")],
  rows: [...body.querySelectorAll("tr.row")].map((row) => ({
    row,
    name: row.querySelector("b").textContent,
    level: row.dataset.level,
    gates: "gates" in row.dataset,
    cells: [...row.querySelectorAll("td")],
    text: "",
  })),
}));
const rows = groups.flatMap((group) => group.rows);
for (const group of groups) {
  for (const one of group.rows) {
    one.group = group;
    const clause = data.clauses[one.name];
    const words = [one.row.querySelector("th").textContent, group.heading, clause.quote, clause.source];
    one.text = words.join(" ").toLowerCase();
  }
}
const VERDICTS = ["fail", "error", "unimplemented", "skipped", "pass"];
const verdict = (cell) => VERDICTS.find((name) => cell.classList.contains(name));

// Filters

let columns = headers.map((_, number) => number);

function wanted(one, words) {
  const level = byId("level").value;
  const kind = byId("verdict").value;
  const cells = columns.map((number) => one.cells[number]);
  const verdicts = cells.map(verdict).filter(Boolean);
  return (
    (!level || (level === "gates" ? one.gates : one.level === level)) &&
    (!byId("role")?.value || one.group.role === byId("role").value) &&
    (!byId("heading").value || one.group.heading === byId("heading").value) &&
    (!kind || cells.some((cell) => cell.classList.contains(kind))) &&
    (!byId("failures").checked || verdicts.some((name) => name === "fail" || name === "error")) &&
    (!byId("differ").checked || new Set(verdicts).size > 1) &&
    words.every((word) => one.text.includes(word))
  );
}

function filter() {
  const chosen = [...byId("subjects").querySelectorAll("input")].map((box) => box.checked);
  columns = headers.map((_, number) => number).filter((number) => chosen[number]);
  document.documentElement.style.setProperty("--columns", Math.max(columns.length, 1));
  headers.forEach((header, number) => (header.hidden = !chosen[number]));
  const words = byId("text").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const group of groups) {
    let any = false;
    for (const one of group.rows) {
      one.row.hidden = !wanted(one, words);
      one.cells.forEach((cell, number) => (cell.hidden = !chosen[number]));
      any ||= !one.row.hidden;
      count += !one.row.hidden;
    }
    group.sums.forEach((cell, number) => (cell.hidden = !chosen[number]));
    group.body.hidden = !any;
  }
  for (const block of table.querySelectorAll("tbody.block")) {
    block.hidden = groups.every((group) => group.role !== block.dataset.block || group.body.hidden);
  }
  byId("shown").textContent = `${count} of ${rows.length} clauses`;
  byId("nothing").hidden = count > 0;
  reachable();
}

// The keyboard: one cell at a time can be reached by Tab, the others from there by arrows.

let current = null;

function reachable(cell) {
  const visible = (one) => one && !one.hidden && !one.parentElement.hidden;
  if (current) current.tabIndex = -1;
  current = cell || (visible(current) ? current : visibleCells()[0]?.[0]) || null;
  if (current) current.tabIndex = 0;
}

function visibleCells() {
  return rows
    .filter((one) => !one.row.hidden)
    .map((one) => columns.map((number) => one.cells[number]).filter((cell) => cell.hasAttribute("tabindex")))
    .filter((cells) => cells.length);
}

function move(cell, down, right) {
  const lines = visibleCells();
  const at = lines.findIndex((line) => line.includes(cell));
  const column = lines[at].indexOf(cell);
  const line = lines[Math.min(Math.max(at + down, 0), lines.length - 1)];
  const target = line[Math.min(Math.max(column + right, 0), line.length - 1)];
  target.focus();
  target.scrollIntoView({ block: "nearest" });
}

const STEPS = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  Home: [0, -Infinity],
  End: [0, Infinity],
  PageUp: [-10, 0],
  PageDown: [10, 0],
};

table.addEventListener("keydown", (event) => {
  const cell = event.target.closest("td[tabindex]");
  if (!cell || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Enter" || event.key === " ") open(cell);
  else if (event.key in STEPS) move(cell, ...STEPS[event.key]);
  else return;
  event.preventDefault();
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input[type=search], select, textarea");
  if (event.key === "/" && !typing && !panel.open) {
    event.preventDefault();
    byId("text").focus();
  } else if (event.key === "Escape" && typing && current) {
    current.focus();
  }
});

table.addEventListener("focusin", (event) => {
  const cell = event.target.closest("td[tabindex]");
  if (cell) reachable(cell);
});

table.addEventListener("click", (event) => {
  const cell = event.target.closest("td[tabindex]");
  if (cell) open(cell);
});

// Details

function element(name, text, attributes) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  return made;
}

function link(text, address) {
  return element("a", text, { href: address, rel: "noreferrer" });
}

function paragraph(parts, kind) {
  const made = element("p", undefined, kind ? { class: kind } : {});
  made.append(...parts);
  return made;
}

function factsOf(test) {
  const list = element("dl");
  const known = (test.known || []).map(([name, number]) => [name, data.once[number]]);
  for (const [name, text] of [...test.facts, ...known]) {
    const value = element("dd");
    value.append(element("code", text));
    list.append(element("dt", name), value);
  }
  return list;
}

function testOf(test) {
  const box = element("article");
  const title = element("h3");
  title.append(element("span", test.outcome, { class: `verdict ${test.outcome}` }), ` ${data.once[test.title]}`);
  box.append(title, factsOf(test));
  if (test.transcript) {
    box.append(element("h4", "transcript"), element("pre", test.transcript, { tabindex: "0" }));
  }
  if (test.file) box.append(paragraph([link("the whole transcript", test.file)]));
  return box;
}

function othersOf(entry, tests) {
  const list = element("ul");
  for (const test of tests) {
    const reason = test.reason ? `: ${test.reason}` : "";
    list.append(element("li", `${data.once[test.title]} (${test.outcome}${reason})`));
  }
  if (entry.more) list.append(element("li", `${entry.more} more in the run's own report`));
  return list;
}

function place(cell) {
  const one = rows.find((candidate) => candidate.row === cell.parentElement);
  const number = one.cells.indexOf(cell);
  return { one, number, run: data.runs[`${number} ${one.group.role}`] };
}

function open(cell) {
  const { one, number, run } = place(cell);
  const clause = data.clauses[one.name];
  const entry = run.clauses[one.name];
  const tests = entry.tests.map((index) => run.tests[index]);
  const detailed = tests.filter((test) => test.facts);
  const others = tests.filter((test) => !test.facts);
  const result = verdict(cell);
  const heading = element("h2", `${one.name}, ${names[number]}: `, { id: "panel-title" });
  heading.append(element("span", `${cell.firstChild.textContent} ${result}`, { class: `verdict ${result}` }));
  const parts = [heading, element("p", one.row.querySelector(".statement").textContent)];
  const level = `${one.level}${entry.note ? `, ${entry.note}` : ""}; `;
  parts.push(paragraph([level, link(clause.source, clause.url)], "soft"));
  parts.push(element("blockquote", clause.quote));
  if (entry.reason) parts.push(element("p", entry.reason));
  parts.push(...detailed.map(testOf));
  if (others.length || entry.more) {
    parts.push(element("h3", detailed.length ? "other tests" : "tests"), othersOf(entry, others));
  }
  if (run.place !== null) {
    parts.push(paragraph([link("this clause in the run's own report", `${run.place}index.html#${one.name}`)]));
  }
  byId("detail").replaceChildren(...parts);
  reachable(cell);
  if (!panel.open) panel.showModal();
  panel.scrollTop = 0;
  history.replaceState(null, "", `#${one.row.id}/${number}`);
}

panel.addEventListener("close", () => {
  // The event comes late, and another cell may have been opened since.
  if (panel.open) return;
  history.replaceState(null, "", " ");
  if (current) current.focus();
});
panel.addEventListener("click", (event) => {
  if (event.target === panel) panel.close();
});

// An address that ends in #CLAUSE/COLUMN opens that cell.
function follow() {
  const [id, number] = decodeURIComponent(location.hash.slice(1)).split("/");
  const cell = rows.find((one) => one.row.id === id)?.cells[number];
  if (cell?.hasAttribute("tabindex")) open(cell);
}

filters.addEventListener("input", filter);
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(filter));
window.addEventListener("hashchange", follow);
filters.hidden = false;
filter();
follow();
