"use strict";

// What the page was made of: images, rules and sources, and text of unknown origin made fit to be shown.

const meta = JSON.parse(document.getElementById("meta").textContent);

/** Everything that would act on the text around it, and bytes that were no UTF-8, as escapes. */
function visible(text) {
  return text.replace(/[\p{C}\p{Z}]/gu, (char) => {
    if (char === " ") return char;
    const code = char.codePointAt(0);
    if (code >= 0xdc80 && code <= 0xdcff) return "\\x" + (code - 0xdc00).toString(16);
    return code < 0x10000 ? "\\u" + code.toString(16).padStart(4, "0") : `\\u{${code.toString(16)}}`;
  });
}

function imageOf(row, index) {
  const [path, sha256, outcome, score, source, words, facts, frame, results] = row;
  return { index, path, sha256, outcome: meta.outcomes[outcome], score, source: meta.sources[source], words, facts, frame, results };
}

function readImages() {
  const images = [];
  for (const part of document.querySelectorAll("script.records")) {
    for (const row of JSON.parse(part.textContent)) images.push(imageOf(row, images.length));
    part.remove();
  }
  return images;
}

const images = readImages();

function resultOf([place, status, steps, accepted, regions, probe = null, elsewhere = null]) {
  const rule = meta.rules[place];
  return { rule, status: meta.statuses[status], steps, accepted: accepted === 1, regions: regions ?? [], probe, elsewhere };
}

const RANKS = { violated: 0, unsure: 1, excepted: 2, clear: 3 };

/** The rules of an image, what was found first. */
function resultsOf(image) {
  return image.results.map(resultOf).sort((one, other) => RANKS[one.status] - RANKS[other.status]);
}

/** What was asked, answered and concluded at one step; null for one that was not asked. */
function stepOf(rule, place, step) {
  const [ask, item] = rule.steps[place];
  if (step === 0) return { ask, item, status: "not_asked", by: null, p: null };
  const [status, by, p, prior = null, centric = null, rationale = null] = step;
  return {
    ask, item, prior, centric, rationale,
    status: meta.stepStatuses[status],
    by: by === null || by === undefined ? null : meta.ways[by],
    p: p === undefined || p < 0 ? null : p,
    unmeasured: p < 0,
  };
}

const EVEN = 0.5;

/** Where on the scale of p a step is decided: not satisfied below the first, satisfied above the second. */
function cutsOf(rule, step, method) {
  if (method.startsWith("threshold")) return [EVEN, EVEN];
  if (!rule.cuts) return null;
  const prior = step.prior === null ? EVEN : step.prior;
  return [prior * (1 - rule.cuts[0]), prior + rule.cuts[1] * (1 - prior)];
}

/** A rule whose figure and whose conclusion point to different sides: reasoning decided against the arithmetic. */
function disputed(step) {
  return step.by === "reasoning" && step.p !== null && step.p >= EVEN !== (step.status === "satisfied");
}

function folderOf(path) {
  const end = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return end < 0 ? "." : path.slice(0, end) || "/";
}

function nameOf(path) {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1) || path;
}

/** A path as an address. Bytes that are no UTF-8 stand as lone surrogates in paths, and go back to bytes. */
function encoded(path) {
  return path.replace(/[^\w./~-]/gu, (char) => {
    const code = char.codePointAt(0);
    if (code >= 0xdc80 && code <= 0xdcff) return "%" + (code - 0xdc00).toString(16).toUpperCase();
    return code >= 0xd800 && code <= 0xdfff ? "%3F" : encodeURIComponent(char);
  });
}

/** The address of the image itself; null where there is none that a page should open. */
function addressOf(image) {
  if (meta.pictures === "none") return null;
  if (meta.pictures === "served") return `image/${image.index}`;
  if (/^([\\/]{2}|[a-z][a-z0-9+.-]+:\/\/)/i.test(image.path)) return null; // another machine
  if (/\.(tar|tgz|tar\.gz|tar\.zst|parquet|arrow)::/i.test(image.path)) return null; // within a file
  if (/^[A-Za-z]:[\\/]/.test(image.path)) return "file:///" + encoded(image.path.replaceAll("\\", "/")).replace("%3A", ":");
  return (image.path.startsWith("/") ? "file://" : meta.root) + encoded(image.path);
}

const LINES = 500;
const chunks = new Map();

/** One part of the thumbnails, as lines; null as long as the browser has not read it. */
function chunk(number) {
  if (!chunks.has(number)) {
    const element = document.getElementById(`thumbnails-${number}`);
    if (document.readyState === "loading" && !(element && element.nextElementSibling)) return null;
    chunks.set(number, element ? element.textContent.split("\n") : []);
  }
  return chunks.get(number);
}

/** A thumbnail as `{address}`, or why there is none as `{why}`; null when that is not known yet. */
function thumbnailOf(image) {
  if (meta.pictures === "none") return { why: "" };
  if (meta.pictures === "served") return { address: `thumbnail/${image.index}` };
  const lines = chunk(Math.floor(image.index / LINES));
  if (lines === null) return null;
  const line = lines[image.index % LINES];
  if (!line) return { why: "left out" };
  if (line.startsWith("!")) return { why: line.slice(1) };
  if (meta.pictures === "inline") return { address: `data:image/webp;base64,${line}` };
  return { address: meta.folder + line };
}
