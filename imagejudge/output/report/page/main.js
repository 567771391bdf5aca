
// What is shown beside the grid, and what each key and button does.

const element = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");
const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
const share = (value) => value.toFixed(2);

function say(words) {
  element("toast").textContent = words;
  element("toast").classList.add("seen");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => element("toast").classList.remove("seen"), 4000);
}

const filters = new Filters();
const decisions = new Decisions(images, decided);
const grid = new Grid(element("scroller"), element("grid"), decisions, { open: openDetail, selected: showSelection });
const detail = new Detail(element("detail"), decisions, {
  decide,
  say,
  closed: () => element("grid").focus({ preventScroll: true }),
  reveal: () => element("detail").classList.toggle("revealed"),
});

// -- What is in view ---------------------------------------------------------------------------------------------------

/** What keys and buttons are about: the image that the dialog shows as long as it is open, else the current one. */
function subject() {
  return detail.open ? detail.image : grid.image;
}

function refilter() {
  const { groups, counts, sample } = filters.apply(images, decisions);
  grid.show(groups, subject());
  refreshDetail();
  showFacets(counts);
  showSelection();
  const count = grid.list.length;
  const all = Object.values(meta.counts).reduce((sum, each) => sum + each, 0);
  element("shown").textContent = count === images.length ? counted(count, "image") : `${number(count)} of ${counted(images.length, "image")}`;
  element("shown").title = images.length < all ? `of ${number(all)} in the file` : "";
  element("empty").hidden = count > 0;
  element("clear").hidden = !filters.any;
  element("low").value = filters.low;
  element("high").value = filters.high;
  element("range-words").textContent = `${share(filters.low)} to ${share(filters.high)}`;
  if (document.activeElement !== element("text")) element("text").value = filters.text;
  element("sort").value = filters.sort;
  element("group").value = filters.group;
  showFigures(sample);
}

function changeFilters() {
  const hash = `#${filters.write()}`;
  if (hash !== (location.hash || "#")) history.replaceState(null, "", hash);
  refilter();
}

function showFacets(counts) {
  const shown = Object.entries(FACETS).map(([name, facet]) => facetElement(name, facet.title, counts[name]));
  const focus = document.activeElement?.closest?.("#facets [data-value]")?.dataset;
  element("facets").replaceChildren(...shown.filter(Boolean));
  if (focus) [...element("facets").querySelectorAll("[data-value]")].find((each) => each.dataset.value === focus.value && each.dataset.name === focus.name)?.focus();
}

function facetElement(name, title, counts) {
  const chosen = filters.chosen[name];
  const order = name === "verdict" ? meta.outcomes : name === "severity" ? ["high", "medium", "low"] : null;
  const values = [...new Set([...counts.keys(), ...chosen])];
  if (!values.length || (name === "mine" && values.length === 1 && !chosen.size && values[0] === "none" && !decisions.made.size)) return null;
  values.sort((one, other) => (order ? order.indexOf(one) - order.indexOf(other) : (counts.get(other) ?? 0) - (counts.get(one) ?? 0)));
  const section = made("section", "facet");
  const list = made("ul");
  const most = Math.max(...counts.values(), 1);
  for (const value of values) {
    const count = counts.get(value) ?? 0;
    const button = made("button", `value ${name === "verdict" ? `verdict ${value}` : ""}`);
    button.type = "button";
    button.dataset.name = name;
    button.dataset.value = value;
    button.setAttribute("aria-pressed", chosen.has(value));
    const bar = made("span", "share");
    bar.style.width = `${(count / most) * 100}%`;
    button.append(bar, made("span", "label", visible(value)), made("span", "count", number(count)));
    button.addEventListener("click", () => {
      filters.toggle(name, value);
      changeFilters();
    });
    const item = made("li");
    item.append(button);
    list.append(item);
  }
  section.append(made("h2", "", title), list);
  return section;
}

// -- Decisions ---------------------------------------------------------------------------------------------------------

function decided(changed) {
  if (!grid.groups) return; // still being set up
  if (filters.chosen.mine.size) refilter();
  else {
    grid.refresh(changed);
    refreshDetail();
  }
  clearTimeout(decided.timer);
  decided.timer = setTimeout(refreshCounts, 150);
  showUnsaved();
}

function refreshCounts() {
  const { counts, sample } = filters.apply(images, decisions);
  showFacets(counts);
  showFigures(sample);
}

function showUnsaved() {
  const unsaved = decisions.unsaved.size;
  element("unsaved").textContent = unsaved ? number(unsaved) : "";
  element("unsaved").setAttribute("aria-label", unsaved ? `${number(unsaved)} not saved` : "");
  element("download").disabled = !decisions.made.size && !unsaved;
  const { outbox, refused } = decisions;
  notice("failed", outbox.failed && outbox.waiting.length && `Decisions could not be sent: ${visible(outbox.failed)}. They are sent with the next.`);
  notice("refused", refused.size && `${counted(refused.size, "decision was", "decisions were")} refused and cannot be saved: ${named([...refused.values()])}.`);
  if (!decisions.served && !decisions.memory.works) notice("memory", "This browser keeps nothing for this page: download your decisions before you close it.");
}

/** The first of what was refused, with the reasons. */
function named(refused) {
  const names = refused.slice(0, NAMED).map(({ image, rule, why }) => visible(`${image.path}${rule === null ? "" : `, ${rule}`}: ${why}`));
  return names.join("; ") + (refused.length > NAMED ? "; and others" : "");
}

const NAMED = 5;

/** Decide on the selection, or on one image, and go on to the next. */
async function decide(opinion) {
  const selection = detail.open ? [] : [...grid.selected].sort((one, other) => one - other);
  const chosen = selection.length ? selection.map((place) => grid.list[place]) : [subject()];
  if (!chosen[0]) return;
  if (chosen.length > 1 && !(await confirmed(`${OPINION_VERBS[opinion]} ${number(chosen.length)} verdicts?`))) return;
  if (!decisions.decide(chosen, opinion)) say("This file could not be read, so nothing can be decided about it.");
  else if (selection.length) {
    say(`${counted(chosen.length, "decision")}; Backspace takes ${chosen.length === 1 ? "it" : "them"} back.`);
    grid.deselect();
  } else {
    grid.go(grid.active + stepFrom(chosen[0], 1));
    follow();
  }
}

/** How far it is to the image so many further than this one, which may have left the view and made place for the next. */
function stepFrom(image, by) {
  return grid.image === image || by < 0 ? by : by - 1;
}

/** Show the current image where one is shown. */
function follow() {
  if (!detail.open) return;
  if (grid.image) openDetail(grid.image);
  else {
    detail.close();
    say("Nothing is left in this view.");
  }
}

const OPINION_VERBS = { agree: "Agree with", disagree: "Disagree with", unsure: "Be unsure about" };

function decideRule(digit) {
  const image = subject();
  const result = image && resultsOf(image)[digit - 1];
  if (!result || !image.sha256) return;
  const now = decisions.of(image, result.rule.id)?.truth;
  const truth = TRUTHS[TRUTHS.indexOf(now) + 1];
  decisions.decideRule(image, result, truth);
  say(`${visible(result.rule.id)}: ${truth ?? "no decision"}`);
}

function undo() {
  const image = decisions.undo();
  if (!image) {
    say("There is nothing to undo.");
    return;
  }
  const position = grid.list.indexOf(image);
  if (position >= 0) grid.activate(position);
  if (detail.open) openDetail(image);
  say("Taken back.");
}

/** Ask a question, and give whether the answer is yes. */
function confirmed(words) {
  const dialog = element("ask");
  confirmed.answer?.(false); // that the question before was closed may be told only now, when this one is open
  element("ask-words").textContent = words;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    confirmed.answer = resolve;
    dialog.onclose = () => dialog.open || resolve(dialog.returnValue === "yes");
  });
}

function download() {
  const file = new Blob(decisions.lines(), { type: "application/jsonl" });
  const link = made("a");
  link.href = URL.createObjectURL(file);
  link.download = `${meta.name.replace(/\.jsonl$/, "").replace(/[^\w.-]+/g, "-")}.decisions.jsonl`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  decisions.saved();
}

async function importFile() {
  const [file] = element("import").files;
  if (!file) return;
  const { taken, foreign, wrong } = decisions.read(await file.text());
  element("import").value = "";
  const rest = [foreign && `${number(foreign)} about other images`, wrong && counted(wrong, "line that is no decision", "lines that are no decision")].filter(Boolean);
  say(`${counted(taken, "decision")} read${rest.length ? `, left out: ${rest.join(", ")}` : ""}.`);
}

// -- Figures -----------------------------------------------------------------------------------------------------------

function showFigures(sample) {
  const among = sample ? sample.images : images;
  const count = { agree: 0, disagree: 0, unsure: 0, confirmed: 0, unsafe: 0 };
  for (const image of among) {
    const entry = decisions.of(image);
    if (!entry) continue;
    count[entry.opinion] += 1;
    if (image.outcome !== "unsafe" || entry.opinion === "unsure") continue;
    count.unsafe += 1;
    if (entry.opinion === "agree") count.confirmed += 1;
  }
  const total = count.agree + count.disagree + count.unsure;
  const rows = [figure(sample ? "Of the sample" : "Decided", `${number(total)} of ${number(among.length)}`)];
  rows.push(figure("Agreement", interval(count.agree, count.agree + count.disagree)));
  rows.push(figure("Precision of unsafe", interval(count.confirmed, count.unsafe)));
  if (sample) rows.push(made("p", "soft", `Drawn from the ${counted(sample.from, "image")} that the filters choose, decided on or not.`));
  else if (total) rows.push(made("p", "soft", "Of what you happened to look at: only a random sample estimates the rest."));
  element("figures").replaceChildren(...rows);
  element("sample").textContent = sample ? "Leave the sample" : `Review ${SAMPLE} at random`;
  element("redraw").hidden = !sample;
}

function figure(name, value) {
  const row = made("div", "figure");
  row.append(made("span", "soft", name), made("span", "", value));
  return row;
}

function interval(part, whole) {
  const found = wilson(part, whole);
  return found ? `${share(found.share)} (${share(found.low)}–${share(found.high)}), n = ${number(whole)}` : "–";
}

/** Show this sample of what the filters choose; 0: all of it. */
function showSample(draw) {
  filters.sample = draw;
  changeFilters();
  grid.activate(0);
  element("grid").focus();
}

// -- The rest ----------------------------------------------------------------------------------------------------------

function openDetail(image) {
  if (!image) return;
  if (grid.selected.size) grid.deselect();
  element("detail").classList.remove("revealed");
  detail.show(image, grid.list.indexOf(image), grid.list.length);
}

/** What is shown stays, also when it has left the view: what is decided next is about it. */
function refreshDetail() {
  if (detail.open) detail.show(detail.image, grid.list.indexOf(detail.image), grid.list.length);
}

function showSelection() {
  const count = grid.selected.size;
  element("selection").hidden = count === 0;
  element("selected").textContent = `${number(count)} selected`;
}

function toggle(name) {
  const button = element(name);
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", on);
  document.body.classList.toggle(name, on);
}

function reveal(on) {
  if (detail.open) element("detail").classList.toggle("revealed", on);
  else grid.reveal(on ? (grid.hovered ?? grid.image) : null);
}

function notice(name, words) {
  let line = element("notices").querySelector(`[data-notice="${name}"]`);
  if (!words) {
    line?.remove();
    return;
  }
  if (!line) {
    line = made("p", "notice");
    line.dataset.notice = name;
    element("notices").append(line);
  }
  line.textContent = words;
}

function move(position, event) {
  if (event.shiftKey && !detail.open) grid.extend(position);
  else grid.activate(position);
  if (detail.open) openDetail(grid.image);
}

/** The place so many further than what is shown or current. */
function further(by) {
  return grid.active + stepFrom(subject(), by);
}

const KEYS = {
  ArrowLeft: (event) => move(further(-1), event),
  ArrowRight: (event) => move(further(1), event),
  ArrowUp: (event) => move(detail.open ? further(-1) : grid.rowsFurther(-1), event),
  ArrowDown: (event) => move(detail.open ? further(1) : grid.rowsFurther(1), event),
  PageUp: (event) => move(grid.rowsFurther(-grid.page), event),
  PageDown: (event) => move(grid.rowsFurther(grid.page), event),
  Home: (event) => move(0, event),
  End: (event) => move(grid.list.length - 1, event),
  Enter: () => openDetail(subject()),
  Escape: () => grid.deselect(),
  Backspace: undo,
  " ": () => reveal(true),
  "/": () => openFilters(true) || element("text").focus(),
  "?": () => element("help").showModal(),
  a: () => detail.open || grid.selectAll(),
  b: () => toggle("blur"),
  g: () => toggle("grey"),
  n: () => decide("disagree"),
  s: () => element("statistics").showModal(),
  u: () => decide("unsure"),
  y: () => decide("agree"),
};

/** Keys that may be held down: to decide by those that are would be to decide on what nobody saw. */
const REPEATED = /^(Arrow|Page|Backspace)/;

function openFilters(on) {
  document.body.classList.toggle("filters", on);
  element("filters-open").setAttribute("aria-expanded", on);
}

/** Whether a key is somebody else's: text that is typed, a button that is pressed, another dialog. */
function taken(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]:not(#detail)")) return true;
  const target = event.target;
  if (target.matches("textarea, select, input:not([type=range])")) return true;
  if (target.matches("input")) return /^(Arrow|Home|End|Page)/.test(event.key);
  return target.matches("button, summary, a, label") && (event.key === "Enter" || event.key === " ");
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && (detail.open || event.target === element("text"))) {
    if (!detail.open) element("grid").focus();
    return;
  }
  if (taken(event) || (detail.open && event.key.startsWith("Page"))) return;
  const digit = /^[1-9]$/.test(event.key);
  const act = digit ? () => decideRule(Number(event.key)) : KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  if (!event.repeat || REPEATED.test(event.key)) act(event);
});
document.addEventListener("keyup", (event) => {
  if (event.key === " ") reveal(false);
});
window.addEventListener("blur", () => reveal(false));
window.addEventListener("hashchange", () => {
  filters.read(location.hash);
  refilter();
});
window.addEventListener("beforeunload", (event) => {
  decisions.flush();
  if (decisions.unsaved.size) event.preventDefault();
});
window.addEventListener("pagehide", () => decisions.flush());
window.addEventListener("storage", ({ key }) => {
  if (!decisions.served && key === decisions.memory.key) decisions.merge();
});

for (const name of ["blur", "grey"]) element(name).addEventListener("click", () => toggle(name));
for (const name of ["low", "high"]) {
  element(name).addEventListener("input", () => {
    filters[name] = Number(element(name).value);
    if (filters.low > filters.high) filters[name === "low" ? "high" : "low"] = filters[name];
    changeFilters();
  });
}
for (const [id, names] of [["sort", SORTS], ["group", GROUPS]]) {
  for (const [value, words] of Object.entries(names)) element(id).append(new Option(words, value));
  element(id).addEventListener("change", () => {
    filters[id] = element(id).value;
    changeFilters();
  });
}
element("text").addEventListener("input", () => {
  clearTimeout(refilter.timer);
  refilter.timer = setTimeout(() => {
    filters.text = element("text").value;
    changeFilters();
  }, 120);
});
element("size").addEventListener("input", () => grid.resize(Number(element("size").value)));
element("clear").addEventListener("click", () => {
  filters.clear();
  changeFilters();
});
element("all").addEventListener("click", () => {
  grid.selectAll();
  element("grid").focus();
});
element("deselect").addEventListener("click", () => grid.deselect());
element("download").addEventListener("click", download);
element("import").addEventListener("change", importFile);
element("sample").addEventListener("click", () => showSample(filters.sample ? 0 : 1));
element("redraw").addEventListener("click", () => showSample(filters.sample + 1));
element("help-open").addEventListener("click", () => element("help").showModal());
element("statistics-open").addEventListener("click", () => element("statistics").showModal());
element("filters-open").addEventListener("click", () => openFilters(!document.body.classList.contains("filters")));
element("reviewer").value = decisions.reviewer;
element("reviewer").addEventListener("change", () => decisions.sign(element("reviewer").value.trim()));
for (const button of document.querySelectorAll("[data-many]")) button.addEventListener("click", () => decide(button.dataset.many));

element("name").textContent = meta.name;
element("about").textContent = [...new Set(meta.sources.map(({ model, constitution }) => `${constitution} by ${model}`))].map(visible).join(", ");
document.body.classList.add("blur", meta.pictures === "none" ? "pictureless" : "pictures");
if (window.matchMedia("(max-width: 50rem)").matches) {
  grid.size = 144;
  element("size").value = 144;
}
filters.read(location.hash);
refilter();
showUnsaved();
if (meta.leftOut) notice("left-out", `${counted(meta.leftOut, "verdict is", "verdicts are")} not on this page: it holds the ${number(images.length)} worst.`);
element("grid").focus({ preventScroll: true });

/** Thumbnails come after the script, so that images need not be waited for. */
function thumbnailsArrived() {
  grid.refreshWaiting();
  if (document.readyState === "loading") {
    setTimeout(thumbnailsArrived, 100);
    return;
  }
  if (images.length === 1) openDetail(images[0]);
  if (meta.pictures === "none") notice("pictures", "This page holds no pictures.");
  if (meta.pictures !== "inline" && meta.pictures !== "linked") return;
  const parts = document.querySelectorAll('script[id^="thumbnails-"]').length;
  const lines = parts ? (parts - 1) * LINES + chunk(parts - 1).length : 0;
  if (lines < images.length) notice("pictures", `The worst have a thumbnail here: ${number(lines)} of ${counted(images.length, "image")}.`);
}
if (document.readyState === "loading") {
  setTimeout(thumbnailsArrived, 50);
  document.addEventListener("DOMContentLoaded", thumbnailsArrived, { once: true });
}
if (decisions.served) decisions.fetchMade().then(refilter).catch(() => say("The program that serves this page has ended."));
