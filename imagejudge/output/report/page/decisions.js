
// What a person decides, by the digest of an image and perhaps a rule; kept in the browser, or by the program that serves
// the page; taken back, saved as lines of JSON and read again.

const OPINIONS = ["agree", "disagree", "unsure"];
const TRUTHS = ["violated", "clear", "unsure"];
const DIGEST = /^[0-9a-f]{64}$/;
/** Bytes of a line that the commands read. */
const LONGEST = 1_000_000;
/** Length of a key about an image as a whole: what follows in others is the rule. */
const WHOLE = 65;

/** What a verdict, or a rule's status, amounts to: a doubt is a suspicion. */
function claimOf(status) {
  return status === "safe" || status === "clear" || status === "excepted" ? "clear" : "violated";
}

function opposite(truth) {
  return truth === "violated" ? "clear" : "violated";
}

/** The browser's memory for this page: silent where there is none. */
class Memory {
  constructor(key) {
    this.key = key;
    this.works = true;
    try {
      window.localStorage.setItem(`${key}:test`, "1");
      window.localStorage.removeItem(`${key}:test`);
    } catch {
      this.works = false;
    }
  }

  read() {
    try {
      return JSON.parse(window.localStorage.getItem(this.key)) || {};
    } catch {
      return {};
    }
  }

  write(value) {
    try {
      window.localStorage.setItem(this.key, JSON.stringify(value));
    } catch {
      this.works = false;
    }
  }
}

class Decisions {
  constructor(images, changed) {
    this.bySha256 = new Map();
    for (const image of images) if (image.sha256 && !this.bySha256.has(image.sha256)) this.bySha256.set(image.sha256, image);
    this.changed = changed;
    this.made = new Map();
    this.rules = new Set(); // about which anything was decided, also those that no verdict here names
    this.times = new Map(); // when each decision was last changed, also those that were taken back
    this.unsaved = new Set();
    this.history = [];
    this.outbox = new Outbox({ settled: (...told) => this.settled(...told), rested: () => changed([]) });
    this.refused = new Map();
    this.served = meta.served;
    this.memory = new Memory(`imagejudge:${meta.digest}`);
    this.name = new Memory(`imagejudge:${meta.digest}:reviewer`);
    this.reviewer = this.served ? "" : this.name.read().reviewer ?? "";
    if (!this.served) this.recall();
  }

  key(image, rule) {
    return `${image.sha256} ${rule === null ? "" : rule}`;
  }

  /** The decision on an image as a whole (`rule` null) or on one of its rules; undefined where there is none. */
  of(image, rule = null) {
    return this.made.get(this.key(image, rule));
  }

  /** Whether anything was decided about an image. */
  any(image) {
    return this.of(image) !== undefined || this.rulesOf(image).length > 0;
  }

  /** The rules of an image about which something was decided. */
  rulesOf(image) {
    return [...this.rules].filter((rule) => this.of(image, rule));
  }

  /** What one key press means: for many images at once, one step to be undone. */
  decide(chosen, opinion) {
    const steps = [];
    for (const image of chosen) {
      if (!image.sha256) continue;
      const claim = claimOf(image.outcome);
      const truth = opinion === "agree" ? claim : opinion === "disagree" ? opposite(claim) : "unsure";
      if (truth === "clear") this.takeBackRules(steps, image);
      const before = this.of(image);
      this.put(steps, image, null, { opinion, truth, note: before?.note ?? "", at: now(), by: this.reviewer });
    }
    this.done(steps);
    return steps.length;
  }

  /** That an image is clear takes back what was said of its single rules. */
  takeBackRules(steps, image) {
    for (const rule of this.rulesOf(image)) this.put(steps, image, rule, undefined);
  }

  /** Set what is true of a rule; undefined takes it back. */
  decideRule(image, result, truth) {
    const steps = [];
    const claim = claimOf(result.status);
    const opinion = truth === "unsure" ? "unsure" : truth === claim ? "agree" : "disagree";
    const entry = truth && { opinion, truth, note: "", at: now(), by: this.reviewer };
    this.put(steps, image, result.rule.id, entry);
    this.done(steps);
  }

  /** Add words to a decision that was made. */
  annotate(image, note) {
    const before = this.of(image);
    if (!before || before.note === note) return;
    const steps = [];
    this.put(steps, image, null, { ...before, note });
    this.done(steps);
  }

  put(steps, image, rule, entry) {
    const key = this.key(image, rule);
    const before = this.made.get(key);
    if (before === undefined && entry === undefined) return;
    steps.push({ image, rule, before, entry });
    this.set(key, entry);
  }

  set(key, entry) {
    this.made.delete(key); // the order is that of the decisions
    if (entry === undefined) return;
    this.made.set(key, entry);
    if (key.length > WHOLE) this.rules.add(key.slice(WHOLE));
  }

  done(steps) {
    if (!steps.length) return;
    this.history.push(steps);
    this.keep(steps);
  }

  /** Take back the last step; the image it was about, or null. */
  undo() {
    const steps = this.history.pop();
    if (!steps) return null;
    const back = [];
    for (const { image, rule, before, entry } of steps.reverse()) {
      this.set(this.key(image, rule), before);
      back.push({ image, rule, before: entry, entry: before });
    }
    this.keep(back);
    return steps[steps.length - 1].image;
  }

  keep(steps) {
    for (const { image, rule } of steps) {
      const key = this.key(image, rule);
      this.unsaved.add(key);
      this.times.set(key, Math.max(Date.now(), (this.times.get(key) ?? 0) + 1)); // later also if the clock is not
    }
    if (this.served) this.outbox.post(steps.flatMap((step) => [step, ...this.standing(step)]));
    else this.store();
    this.changed(steps.map((step) => step.image));
  }

  store() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.flush(), 200);
  }

  flush() {
    if (this.served) return;
    clearTimeout(this.waiting);
    this.merge();
    const made = [...this.times].map(([key, time]) => {
      const { opinion, truth, note, at, by } = this.made.get(key) ?? {}; // nothing: it was taken back
      return [key, opinion, truth, note, at, by, time, this.unsaved.has(key)];
    });
    this.memory.write({ made });
  }

  /** Take in what other tabs with pages of this file have kept meanwhile. */
  merge() {
    const unsaved = this.unsaved.size;
    const taken = this.recall();
    if (!taken.size && this.unsaved.size === unsaved) return;
    const own = ({ image, rule }) => !taken.has(this.key(image, rule));
    this.history = this.history.map((steps) => steps.filter(own)).filter((steps) => steps.length);
    this.changed([...taken].map((key) => this.bySha256.get(key.slice(0, 64))).filter(Boolean));
  }

  /** Read the browser's memory, of each decision what was changed last; the keys of those that were changed by it. */
  recall() {
    const taken = new Set();
    for (const [key, opinion, truth, note, at, by, time = 0, unsaved = true] of this.memory.read().made ?? []) {
      const mine = this.times.get(key) ?? -1;
      if (time === mine && !unsaved) this.unsaved.delete(key);
      if (time <= mine) continue;
      this.set(key, opinion ? { opinion, truth, note, at, by } : undefined);
      this.times.set(key, time);
      if (unsaved) this.unsaved.add(key);
      else this.unsaved.delete(key);
      taken.add(key);
    }
    return taken;
  }

  /** Who decides from now on. */
  sign(reviewer) {
    this.reviewer = reviewer;
    if (!this.served) this.name.write({ reviewer });
  }

  /** What the program kept is saved; what it refused for good is not, until something else is decided and kept. */
  settled(steps, refused) {
    for (const step of steps) {
      const key = this.key(step.image, step.rule);
      if (refused) this.refused.set(key, { ...step, why: refused });
      else {
        this.refused.delete(key);
        this.unsaved.delete(key);
      }
    }
    for (const { step } of this.outbox.waiting) this.unsaved.add(this.key(step.image, step.rule)); // decided on meanwhile
  }

  /** What is said again after a step: in a file, that an image is clear takes back what was said of its rules before. */
  standing({ image, rule, entry }) {
    if (rule !== null || entry?.truth !== "clear") return [];
    return this.rulesOf(image).map((each) => ({ image, rule: each, entry: this.of(image, each) }));
  }

  async fetchMade() {
    const answer = await fetch("decisions");
    this.take(await answer.text());
    for (const step of this.history.flat()) { // decided while they were under way
      const key = this.key(step.image, step.rule);
      step.before = this.made.get(key);
      this.set(key, step.entry);
    }
    this.changed([]);
  }

  /** All decisions, one a line: those about images as a whole first, so that none takes back one about a rule. */
  lines() {
    const made = [...this.made].sort(([one], [other]) => (one.length > WHOLE) - (other.length > WHOLE));
    return made.map(([key, entry]) => this.line(key.slice(0, 64), key.slice(WHOLE) || null, entry) + "\n");
  }

  line(sha256, rule, entry) {
    const image = this.bySha256.get(sha256);
    const { model = "", constitution = "" } = image ? image.source : {};
    const line = { schema: 1, sha256, path: image ? image.path : "", rule, ...lineOf(entry) };
    return quiet(JSON.stringify({ ...line, verdicts: meta.digest, model, constitution }));
  }

  /** Whether a line can be written anew; a short one can, whatever of it becomes escapes. */
  fits(line, { sha256, rule, entry }) {
    return line.length < LONGEST / 10 || sizeOf(this.line(sha256, rule, entry)) <= LONGEST;
  }

  saved() {
    if (this.served) return;
    this.unsaved.clear();
    this.flush();
    this.changed([]);
  }

  /** Decide as lines say that `lines` gave; how many were taken, were of other images, and were no decisions. */
  read(text) {
    const { steps, ...count } = this.take(text);
    this.done(steps);
    return count;
  }

  take(text) {
    const found = { taken: 0, foreign: 0, wrong: 0, steps: [] };
    for (const line of text.split("\n")) {
      if (!line.trim()) continue;
      const row = decisionOf(line);
      const image = row && this.bySha256.get(row.sha256);
      if (row && !image) {
        found.foreign += 1;
        continue;
      }
      if (!row || !this.fits(line, row)) {
        found.wrong += 1;
        continue;
      }
      if (row.rule === null && row.entry.truth === "clear") this.takeBackRules(found.steps, image);
      this.put(found.steps, image, row.rule, row.entry);
      found.taken += 1;
    }
    return found;
  }
}

/** JSON that means the same, with escapes for what a terminal or an editor might act on. */
function quiet(json) {
  return json.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => {
    const units = Array.from({ length: char.length }, (_, place) => char.charCodeAt(place));
    return units.map((unit) => "\\u" + unit.toString(16).padStart(4, "0")).join("");
  });
}

function now() {
  return new Date().toISOString().replace(/\.\d+/, "");
}

function lineOf({ opinion, truth, note, by, at }) {
  return { decision: opinion, truth, note, by, at };
}

/** Bytes of a line with its end. */
function sizeOf(line) {
  return new TextEncoder().encode(line).length + 1;
}

/** What a line says; null for what the program or a command that reads such lines would refuse. */
function decisionOf(line) {
  let row;
  try {
    row = sizeOf(line) > LONGEST ? null : JSON.parse(line);
  } catch {
    return null;
  }
  if (row === null || typeof row !== "object") return null;
  const { schema = 1, sha256, path, rule = null, decision, truth, ...more } = row;
  const { note = "", by = "", at = "", verdicts = "", model = "", constitution = "", ...unknown } = more;
  if (schema !== 1 || Object.keys(unknown).length) return null;
  if ([sha256, path, note, by, at, verdicts, model, constitution].some((value) => typeof value !== "string")) return null;
  if (!DIGEST.test(sha256) || (verdicts && !DIGEST.test(verdicts)) || (rule !== null && (typeof rule !== "string" || !rule))) return null;
  if (!OPINIONS.includes(decision) || !TRUTHS.includes(truth)) return null;
  return { sha256, rule, entry: { opinion: decision, truth, note, at, by } };
}

/** A share with its Wilson interval of 95 %; null of nothing. */
function wilson(part, whole) {
  if (!whole) return null;
  const z = 1.959964;
  const share = part / whole;
  const middle = (share + (z * z) / (2 * whole)) / (1 + (z * z) / whole);
  const reach = (z / (1 + (z * z) / whole)) * Math.sqrt((share * (1 - share)) / whole + (z * z) / (4 * whole * whole));
  return { share, low: Math.max(0, middle - reach), high: Math.min(1, middle + reach) };
}
