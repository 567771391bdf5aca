
// Which images are in view, and in which order: a state that lives in the address, so that it can be kept and sent.

/** What was found in an image: rules violated or undecided. */
function foundIn(image) {
  if (!image.found) image.found = image.results.map(resultOf).filter(({ status }) => status === "violated" || status === "unsure");
  return image.found;
}

/** The ways in which an image's findings were decided; of one without findings, those of all its rules. */
function waysOf(image) {
  if (!image.ways) {
    const found = foundIn(image);
    const steps = (found.length ? found : image.results.map(resultOf)).flatMap((result) => result.steps);
    image.ways = [...new Set(steps.filter((step) => step && step[1] !== null && step[1] !== undefined).map((step) => meta.ways[step[1]]))];
  }
  return image.ways;
}

function distinct(values) {
  return [...new Set(values.filter(Boolean))];
}

const FACETS = {
  verdict: { title: "Verdict", of: (image) => [image.outcome] },
  mine: { title: "My decision", of: (image, decisions) => [decisions.of(image)?.opinion ?? (decisions.any(image) ? "rules only" : "none")] },
  rule: { title: "Rule", of: (image) => image.ruleIds ?? (image.ruleIds = foundIn(image).map(({ rule }) => rule.id)) },
  severity: { title: "Severity", of: (image) => image.severities ?? (image.severities = distinct(foundIn(image).map(({ rule }) => rule.severity))) },
  category: { title: "Category", of: (image) => image.categories ?? (image.categories = distinct(foundIn(image).map(({ rule }) => rule.category))) },
  by: { title: "Decided by", of: waysOf },
};

const SAMPLE = 200;
const SORTS = { worst: "Worst first", score: "Score", path: "Path", rule: "Rule", disagreement: "Disagreement" };
const GROUPS = { none: "No groups", rule: "By rule", folder: "By folder" };

class Filters {
  constructor() {
    this.read("");
  }

  /** From the address, whatever stands there. */
  read(hash) {
    const given = new URLSearchParams(hash.replace(/^#/, ""));
    const number = (name, none) => {
      const value = Number.parseFloat(given.get(name));
      return value >= 0 && value <= 1 ? value : none;
    };
    const among = (name, known, none) => (Object.hasOwn(known, given.get(name)) ? given.get(name) : none);
    this.chosen = Object.fromEntries(Object.keys(FACETS).map((name) => [name, new Set(given.getAll(name))]));
    this.low = number("low", 0);
    this.high = number("high", 1);
    this.text = given.get("text") ?? "";
    this.sort = among("sort", SORTS, "worst");
    this.group = among("group", GROUPS, "none");
    this.sample = /^[1-9]\d{0,8}$/.test(given.get("sample")) ? Number(given.get("sample")) : 0; // which one; 0: none
  }

  write() {
    const given = new URLSearchParams();
    for (const [name, values] of Object.entries(this.chosen)) for (const value of values) given.append(name, value);
    if (this.low > 0) given.set("low", this.low);
    if (this.high < 1) given.set("high", this.high);
    if (this.text) given.set("text", this.text);
    if (this.sort !== "worst") given.set("sort", this.sort);
    if (this.group !== "none") given.set("group", this.group);
    if (this.sample) given.set("sample", this.sample);
    return given.toString();
  }

  get any() {
    return this.low > 0 || this.high < 1 || this.text !== "" || this.sample > 0 || Object.values(this.chosen).some((values) => values.size);
  }

  clear() {
    const { sort, group } = this;
    this.read("");
    Object.assign(this, { sort, group });
  }

  toggle(name, value) {
    if (!this.chosen[name].delete(value)) this.chosen[name].add(value);
  }

  /**
   * The images in view, in order; of each facet how many there would be of each value if it alone were lifted; and the
   * sample, if one is wanted, of what all filters but "My decision" choose: else it would change with every decision.
   */
  apply(images, decisions) {
    const names = Object.keys(FACETS);
    const counts = Object.fromEntries(names.map((name) => [name, new Map()]));
    const needle = this.text.toLowerCase();
    const [inView, pool] = [[], []];
    for (const image of images) {
      const score = image.score ?? 0;
      if (score < this.low || score > this.high || (needle && !haystack(image).includes(needle))) continue;
      const values = names.map((name) => FACETS[name].of(image, decisions));
      const failed = names.filter((name, place) => this.chosen[name].size && !values[place].some((value) => this.chosen[name].has(value)));
      if (failed.length > 1) continue;
      names.forEach((name, place) => {
        if (failed.length && failed[0] !== name) return;
        for (const value of values[place]) counts[name].set(value, (counts[name].get(value) ?? 0) + 1);
      });
      if (!failed.length) inView.push(image);
      if (this.sample && image.sha256 && (!failed.length || failed[0] === "mine")) pool.push(image);
    }
    if (!this.sample) {
      sortImages(inView, this.sort, decisions);
      return { groups: grouped(inView, this.group), counts, sample: null };
    }
    const sample = { images: drawn(pool, this.sample), from: pool.length };
    const seen = new Set(inView);
    return { groups: grouped(sample.images.filter((image) => seen.has(image)), this.group), counts, sample };
  }
}

/** Some images at random: the same whenever the same are drawn from, with a number for each further draw. */
function drawn(images, draw) {
  const start = hashed(`${meta.digest} ${draw}`);
  const first = [];
  for (const image of images) {
    if (image.lot?.draw !== draw) image.lot = { draw, place: hashed(image.sha256 + image.path, start) };
    const { place } = image.lot;
    if (first.length === SAMPLE && place >= first[SAMPLE - 1].lot.place) continue; // most, so all need not be sorted
    const after = first.findIndex((other) => other.lot.place > place);
    first.splice(after < 0 ? first.length : after, 0, image);
    if (first.length > SAMPLE) first.pop();
  }
  return first;
}

/** 32 bits that look random: FNV-1a, stirred as MurmurHash3 ends. */
function hashed(text, start = 0x811c9dc5) {
  let hash = start;
  for (let place = 0; place < text.length; place += 1) hash = Math.imul(hash ^ text.charCodeAt(place), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function haystack(image) {
  return (image.haystack ??= `${visible(image.path)}\n${image.words}`.toLowerCase());
}

/** How much speaks against a verdict: first that a person does, then that reasoning overruled the figures. */
function disagreement(image, decisions) {
  const mine = decisions.of(image)?.opinion === "disagree" || image.results.some(([place]) => decisions.of(image, meta.rules[place].id)?.opinion === "disagree");
  if (image.dispute === undefined) {
    image.dispute = 0;
    for (const { rule, steps } of image.results.map(resultOf)) {
      steps.forEach((raw, place) => {
        const step = stepOf(rule, place, raw);
        if (disputed(step)) image.dispute = Math.max(image.dispute, Math.abs(step.p - EVEN));
      });
    }
  }
  return (mine ? 2 : 0) + image.dispute;
}

/** They come in the order of the page, the worst first, and what is equal stays in it. */
function sortImages(list, sort, decisions) {
  const by = (value) => list.sort((one, other) => value(other) - value(one));
  if (sort === "score") by((image) => image.score ?? -1);
  if (sort === "disagreement") by((image) => disagreement(image, decisions));
  if (sort === "path") list.sort((one, other) => (one.path < other.path ? -1 : one.path > other.path ? 1 : 0));
  if (sort === "rule") {
    const rule = (image) => FACETS.rule.of(image)[0] ?? "￿";
    list.sort((one, other) => (rule(one) < rule(other) ? -1 : rule(one) > rule(other) ? 1 : 0));
  }
}

/** `[{title, images}]`: each image once, under its first finding or its folder, groups in the order of their first. */
function grouped(list, group) {
  if (group === "none") return [{ title: null, images: list }];
  const groups = new Map();
  for (const image of list) {
    const title = group === "folder" ? folderOf(image.path) : FACETS.rule.of(image)[0] ?? "nothing found";
    if (!groups.has(title)) groups.set(title, []);
    groups.get(title).push(image);
  }
  return [...groups].map(([title, members]) => ({ title, images: members }));
}
