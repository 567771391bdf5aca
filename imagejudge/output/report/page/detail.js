
// One image: as large as it is to be had, and all that was asked about it.

const STATUS_WORDS = { satisfied: "yes", not_satisfied: "no", unsure: "unsure", not_asked: "not asked" };

class Detail {
  constructor(dialog, decisions, handlers) {
    Object.assign(this, { dialog, decisions, handlers, image: null });
    this.parts = Object.fromEntries([...dialog.querySelectorAll("[data-part]")].map((element) => [element.dataset.part, element]));
    new ResizeObserver(() => this.placeRegions()).observe(this.parts.picture);
    dialog.addEventListener("close", () => {
      this.keepNote();
      handlers.closed();
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    this.parts.copy.addEventListener("click", () => this.copy());
    this.parts.note.addEventListener("input", () => (this.noted = true));
    this.parts.note.addEventListener("change", () => this.keepNote());
    this.parts.picture.addEventListener("click", () => handlers.reveal());
    for (const button of dialog.querySelectorAll("[data-opinion]")) {
      button.addEventListener("click", () => handlers.decide(button.dataset.opinion));
    }
  }

  get open() {
    return this.dialog.open;
  }

  close() {
    this.dialog.close();
  }

  /** `position` in the view, of so many there; negative where the image is not in it. */
  show(image, position, count) {
    const turned = this.image !== image;
    if (turned) {
      this.keepNote();
      this.opened = null;
    }
    this.image = image;
    const { parts } = this;
    parts.name.textContent = visible(nameOf(image.path));
    parts.place.textContent = position < 0 ? "not in this view" : `${(position + 1).toLocaleString("en")} of ${count.toLocaleString("en")}`;
    parts.verdict.className = `badge ${image.outcome}`;
    parts.verdict.textContent = image.outcome;
    parts.words.textContent = visible(image.words);
    parts.words.hidden = !image.words;
    this.showOpinion();
    if (turned) this.showPicture();
    parts.rules.replaceChildren(...this.rules());
    parts.facts.replaceChildren(...this.facts());
    if (!this.open) {
      this.dialog.showModal();
      parts.body.focus();
    }
    if (turned) parts.body.scrollTop = 0;
  }

  /** Take in a note that was typed, and only such a one: decisions change meanwhile. */
  keepNote() {
    if (!this.noted) return;
    this.noted = false;
    this.decisions.annotate(this.image, this.parts.note.value.trim());
  }

  showOpinion() {
    const entry = this.decisions.of(this.image);
    const claim = claimOf(this.image.outcome);
    const truths = { agree: claim, disagree: opposite(claim), unsure: "unsure" };
    for (const button of this.dialog.querySelectorAll("[data-opinion]")) {
      button.setAttribute("aria-pressed", entry?.opinion === button.dataset.opinion);
      button.disabled = !this.image.sha256;
      const words = { violated: "it violates a rule", clear: "it is clear", unsure: "nobody can tell" };
      button.title = words[truths[button.dataset.opinion]];
    }
    if (!this.noted) this.parts.note.value = entry?.note ?? "";
    this.parts.note.disabled = !entry;
    this.parts.note.placeholder = entry ? "Note" : "Decide first, then add a note";
  }

  showPicture() {
    const { picture } = this.parts;
    const { image } = this;
    picture.replaceChildren();
    fillTile(picture, image);
    const address = addressOf(image);
    const thumbnail = picture.querySelector("img");
    const note = made("span", "source");
    picture.append(note, ...this.regions());
    for (const shown of picture.querySelectorAll("img")) shown.addEventListener("load", () => this.placeRegions());
    if (address === null || (!thumbnail && meta.pictures === "served")) return;
    note.textContent = thumbnail ? "thumbnail" : "";
    const whole = new Image();
    whole.alt = "";
    whole.draggable = false;
    whole.addEventListener("load", () => {
      if (this.image !== image) return;
      picture.querySelector("img, .why")?.replaceWith(whole);
      note.textContent = "";
      this.placeRegions();
    });
    whole.addEventListener("error", () => {
      if (this.image === image && thumbnail) note.textContent = "thumbnail; the file cannot be shown from here";
    });
    whole.src = address;
  }

  /** Frames around what was located of what was found; one frame where several statements are about the same place. */
  regions() {
    const asks = new Map();
    for (const { rule, regions } of foundIn(this.image)) {
      for (const [place, ...sides] of regions) {
        const key = sides.join(" ");
        asks.set(key, (asks.get(key) ?? new Set()).add(place < 0 ? rule.id : rule.steps[place][0]));
      }
    }
    return [...asks].map(([sides, words]) => {
      const frame = made("div", "region");
      frame.dataset.sides = sides;
      frame.append(made("span", "", visible([...words].join(" "))));
      return frame;
    });
  }

  /** Regions are in shares of the picture, which fills its place in one direction only. */
  placeRegions() {
    const { picture } = this.parts;
    const shown = picture.querySelector("img");
    if (!shown?.naturalWidth) return;
    const [outer, inner] = [picture.getBoundingClientRect(), shown.getBoundingClientRect()];
    const scale = Math.min(inner.width / shown.naturalWidth, inner.height / shown.naturalHeight);
    const [width, height] = [shown.naturalWidth * scale, shown.naturalHeight * scale];
    const [left, top] = [inner.left - outer.left + (inner.width - width) / 2, inner.top - outer.top + (inner.height - height) / 2];
    for (const frame of picture.querySelectorAll(".region")) {
      const [from, above, to, below] = frame.dataset.sides.split(" ").map(Number);
      Object.assign(frame.style, {
        left: `${left + from * width}px`, top: `${top + above * height}px`,
        width: `${(to - from) * width}px`, height: `${(below - above) * height}px`, visibility: "visible",
      });
    }
  }

  rules() {
    const results = resultsOf(this.image);
    const shown = results.map((result, place) => this.rule(result, place));
    const quiet = results.findIndex((result) => result.status === "clear");
    if (quiet < 0) return shown;
    const rest = made("details", "rest");
    const count = results.length - quiet;
    rest.open = this.opened ?? (quiet === 0 && count <= 3);
    rest.addEventListener("toggle", () => (this.opened = rest.open));
    const left = results.filter(({ probe }) => probe !== null).length;
    const words = [`${count - left} rule${count - left === 1 ? "" : "s"} found clear`];
    if (left) words.push(`${left} left to ${left === 1 ? "its probe" : "their probes"}`);
    rest.append(made("summary", "", words.join(", ")), ...shown.splice(quiet));
    return [...shown, rest];
  }

  rule(result, place) {
    const section = made("section", `rule ${result.status}`);
    const head = made("header");
    const title = made("h3", "", visible(result.rule.id));
    head.append(title, made("span", `badge ${result.status}`, result.status));
    const about = [result.rule.severity, result.rule.category].filter(Boolean).map(visible).join(" · ");
    if (about) head.append(made("span", "soft", about));
    if (result.elsewhere !== null) head.append(made("span", "soft", result.elsewhere));
    if (result.probe !== null) head.append(made("span", "soft", `not asked: its probe says ${result.probe.toFixed(3)}`));
    if (result.accepted) head.append(made("span", "soft", "accepted by a baseline"));
    head.append(this.truths(result, place));
    section.append(head);
    if (result.rule.text) section.append(made("p", "soft", visible(result.rule.text)));
    const list = made("ol", "steps");
    result.steps.forEach((raw, at) => list.append(this.step(result, stepOf(result.rule, at, raw))));
    section.append(list);
    return section;
  }

  /** Buttons that set what is true of a rule, and its key. */
  truths(result, place) {
    const group = made("span", "truths");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", `What is true of ${visible(result.rule.id)}`);
    if (place < 9) group.append(made("kbd", "", String(place + 1)));
    const now = this.decisions.of(this.image, result.rule.id)?.truth;
    for (const truth of TRUTHS) {
      const button = made("button", "", truth);
      button.type = "button";
      button.disabled = !this.image.sha256;
      button.setAttribute("aria-pressed", now === truth);
      button.addEventListener("click", () => this.decisions.decideRule(this.image, result, now === truth ? undefined : truth));
      group.append(button);
    }
    return group;
  }

  step(result, step) {
    const row = made("li", `step ${step.status}`);
    const ask = made("div", "ask", visible(step.ask));
    if (step.item === null) ask.prepend(made("span", "soft", "unless "));
    const found = STATUS_WORDS[step.status] + (step.by ? `, by ${disputed(step) ? "reasoning over the figure" : step.by}` : "");
    const words = made("div", "found", step.unmeasured ? "unmeasured" : found);
    row.append(ask, words);
    if (step.p !== null) row.append(this.bar(result, step));
    if (step.rationale) row.append(made("blockquote", "", visible(step.rationale)));
    return row;
  }

  /** p on a scale from 0 to 1, with the prior, and where a figure decides. */
  bar(result, step) {
    const cuts = cutsOf(result.rule, step, this.image.source.method);
    const box = made("div", "scale");
    const bar = made("div", "bar");
    const mark = (className, value, title) => {
      const element = made("span", className);
      element.style.left = `${value * 100}%`;
      element.title = title;
      bar.append(element);
    };
    const fill = made("span", "fill");
    fill.style.width = `${step.p * 100}%`;
    bar.append(fill);
    const told = [`p ${step.p.toFixed(2)}`];
    if (cuts) {
      mark("cut", cuts[0], `no below ${cuts[0].toFixed(2)}`);
      mark("cut", cuts[1], `yes above ${cuts[1].toFixed(2)}`);
    }
    if (step.prior !== null) {
      mark("prior", step.prior, `without the image: ${step.prior.toFixed(2)}`);
      told.push(`prior ${step.prior.toFixed(2)}`);
    }
    if (step.centric !== null) {
      mark("centric", step.centric, `without its region: ${step.centric.toFixed(2)}`);
      told.push(`without its region ${step.centric.toFixed(2)}`);
    }
    if (cuts) told.push(`no < ${cuts[0].toFixed(2)}, yes > ${cuts[1].toFixed(2)}`);
    const figures = told.join(" · ");
    bar.setAttribute("role", "img");
    bar.setAttribute("aria-label", figures);
    const words = made("span", "figures", figures);
    words.setAttribute("aria-hidden", "true");
    box.append(bar, words);
    return box;
  }

  facts() {
    const { image } = this;
    const rows = [["path", image.path], ["SHA-256", image.sha256 ?? "unknown: the file could not be read"]];
    if (image.facts) {
      const [width, height, format, frames] = image.facts;
      const of = frames > 1 ? `, ${frames} frames${image.frame === null ? "" : `, this is number ${image.frame}`}` : "";
      rows.push(["image", `${width} × ${height} ${format}${of}`]);
    }
    rows.push(["model", image.source.model], ["constitution", image.source.constitution], ["method", image.source.method]);
    return rows.flatMap(([name, value]) => [made("dt", "", name), made("dd", "", visible(value))]);
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.image.path);
      this.handlers.say("The path is in the clipboard.");
    } catch {
      this.handlers.say(visible(this.image.path));
    }
  }
}
