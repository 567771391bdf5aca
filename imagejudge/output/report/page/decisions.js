
// What a person decides, by the digest of an image and perhaps a rule; kept in the browser, or by the program that serves
// the page; taken back, saved as lines of JSON and read again.

const TRUTHS = ["violated", "clear", "unsure"];

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
    this.unsaved = new Set();
    this.history = [];
    this.reviewer = "";
    this.outbox = [];
    this.sending = Promise.resolve();
    this.failed = "";
    this.sample = null;
    this.served = meta.served;
    this.memory = new Memory(`imagejudge:${meta.digest}`);
    this.restore();
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
    return this.of(image) !== undefined || image.results.some(([place]) => this.of(image, meta.rules[place].id));
  }

  /** What one key press means: for many images at once, one step to be undone. */
  decide(chosen, opinion) {
    const steps = [];
    for (const image of chosen) {
      if (!image.sha256) continue;
      const claim = claimOf(image.outcome);
      const truth = opinion === "agree" ? claim : opinion === "disagree" ? opposite(claim) : "unsure";
      if (truth === "clear") { // which takes back what was said of single rules
        for (const [place] of image.results) this.put(steps, image, meta.rules[place].id, undefined);
      }
      const before = this.of(image);
      this.put(steps, image, null, { opinion, truth, note: before?.note ?? "", at: now(), by: this.reviewer });
    }
    this.done(steps);
    return steps.length;
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
    this.made.delete(key); // the order of the lines is that of the decisions
    if (entry !== undefined) this.made.set(key, entry);
    this.unsaved.add(key);
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
    if (this.served) this.post(steps);
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
    const made = [...this.made].map(([key, { opinion, truth, note, at, by }]) => [key, opinion, truth, note, at, by]);
    this.memory.write({ made, unsaved: [...this.unsaved], sample: this.sample, reviewer: this.reviewer });
  }

  restore() {
    if (this.served) return;
    const { made = [], unsaved = [], sample = null, reviewer = "" } = this.memory.read();
    this.made = new Map(made.map(([key, opinion, truth, note, at, by]) => [key, { opinion, truth, note, at, by }]));
    this.unsaved = new Set(unsaved);
    this.sample = sample;
    this.reviewer = reviewer;
  }

  /** The program appends what it is sent; what could not be sent yet is sent with the next. */
  post(steps) {
    this.outbox = this.outbox.concat(
      steps.map(({ image, rule, entry }) => ({ index: image.index, rule, ...(entry ? lineOf(entry) : { decision: null }) })),
    );
    this.sending = this.sending.then(async () => {
      const sent = this.outbox;
      if (!sent.length) return;
      this.outbox = [];
      try {
        const answer = await fetch("decisions", { method: "POST", body: JSON.stringify(sent) });
        if (!answer.ok) throw new Error(await answer.text());
        if (!this.outbox.length) this.unsaved.clear();
      } catch (error) {
        this.outbox = sent.concat(this.outbox);
        this.failed = error.message;
      }
      this.changed([]);
    });
  }

  async fetchMade() {
    const answer = await fetch("decisions");
    this.read(await answer.text());
    this.unsaved.clear();
  }

  /** All decisions, one a line. */
  lines() {
    const lines = [];
    for (const [key, entry] of this.made) {
      const [sha256, rule] = [key.slice(0, 64), key.slice(65)];
      const image = this.bySha256.get(sha256);
      const { model = "", constitution = "" } = image ? image.source : {};
      const line = { schema: 1, sha256, path: image ? image.path : "", rule: rule || null, ...lineOf(entry) };
      lines.push(quiet(JSON.stringify({ ...line, verdicts: meta.digest, model, constitution })) + "\n");
    }
    return lines;
  }

  saved() {
    if (this.served) return;
    this.unsaved.clear();
    this.flush();
    this.changed([]);
  }

  /** Take in lines as `lines` gives them; how many were taken, were of other images, and were no decisions. */
  read(text) {
    const count = { taken: 0, foreign: 0, wrong: 0 };
    const steps = [];
    for (const line of text.split("\n")) {
      if (!line.trim()) continue;
      const row = decisionOf(line);
      if (row === null) {
        count.wrong += 1;
        continue;
      }
      const image = this.bySha256.get(row.sha256);
      if (!image) {
        count.foreign += 1;
        continue;
      }
      const { decision: opinion, truth, note = "", at = "", by = "" } = row;
      if (row.rule === null && truth === "clear") {
        for (const [place] of image.results) this.put(steps, image, meta.rules[place].id, undefined);
      }
      this.put(steps, image, row.rule, { opinion, truth, note, at, by });
      count.taken += 1;
    }
    if (this.served) this.changed([]);
    else this.done(steps);
    return count;
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

function decisionOf(line) {
  let row;
  try {
    row = JSON.parse(line);
  } catch {
    return null;
  }
  if (row === null || typeof row !== "object" || row.schema !== 1) return null;
  const { sha256, rule = null, decision, truth } = row;
  if (!/^[0-9a-f]{64}$/.test(sha256) || (rule !== null && typeof rule !== "string")) return null;
  if (!["agree", "disagree", "unsure"].includes(decision) || !TRUTHS.includes(truth)) return null;
  for (const name of ["note", "by", "at"]) if (typeof (row[name] ?? "") !== "string") return null;
  return { ...row, rule };
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
