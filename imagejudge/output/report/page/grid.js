
// The grid: of however many images, only the rows that can be seen exist.

const GAP = 12;
const CAPTION = 46;
const TITLE = 44;
const BEYOND = 0.5; // of the height that is seen: rows that exist above and below it
/** Pixels of the canvas at most: browsers cut off higher elements, Firefox at 17 million and Chromium at 33 million. */
const HIGHEST = 8_000_000;
/** Pixels that are scrolled as usual, before the rows below are moved up. */
const STRETCH = HIGHEST / 100;

function made(tag, className = "", text = null) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== null) element.textContent = text;
  return element;
}

const OPINION_WORDS = { agree: "agreed", disagree: "disagreed", unsure: "unsure" };
const OPINION_SIGNS = { agree: "✓", disagree: "✕", unsure: "?" };

class Grid {
  constructor(scroller, canvas, decisions, handlers) {
    Object.assign(this, { scroller, canvas, decisions, handlers });
    this.size = 176;
    this.list = [];
    this.rows = [];
    this.active = 0;
    this.selected = new Set();
    this.anchor = null;
    this.revealed = null;
    this.drawn = new Map();
    this.height = 0; // of all rows, as if the canvas could have any
    this.offset = 0; // by which the rows that are seen lie higher on the canvas
    this.scrolledTo = 0;
    scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.layout()).observe(scroller);
    canvas.addEventListener("click", (event) => this.clicked(event));
    canvas.addEventListener("pointerover", (event) => (this.hovered = this.imageAt(event)));
    canvas.addEventListener("pointerleave", () => (this.hovered = null));
  }

  get image() {
    return this.list[this.active] ?? null;
  }

  imageAt(event) {
    const cell = event.target.closest(".cell");
    return cell ? this.list[Number(cell.dataset.position)] : null;
  }

  clicked(event) {
    const image = this.imageAt(event);
    if (!image) return;
    const position = this.list.indexOf(image);
    if (event.shiftKey) this.extend(position);
    else if (event.ctrlKey || event.metaKey) this.pick(position);
    else {
      this.activate(position);
      this.handlers.open(image);
    }
  }

  /** Show these; the current image is the one given, if it is among them, or else the next of those that were shown. */
  show(groups, image) {
    const candidates = [image, ...this.list.slice(this.active)];
    this.groups = groups;
    this.list = groups.flatMap((group) => group.images);
    this.selected.clear();
    this.anchor = null;
    const places = new Map(this.list.map((each, place) => [each, place]));
    const next = candidates.find((each) => places.has(each));
    this.active = places.get(next) ?? Math.max(0, Math.min(this.active, this.list.length - 1));
    this.layout();
  }

  resize(size) {
    this.size = size;
    this.layout();
    this.reach(this.active);
  }

  /** Where each row lies. */
  layout() {
    const seen = this.top;
    const style = getComputedStyle(this.canvas);
    const width = this.canvas.clientWidth - Number.parseFloat(style.paddingLeft) - Number.parseFloat(style.paddingRight);
    this.columns = Math.max(1, Math.floor((width + GAP) / (this.size + GAP)));
    this.cell = Math.floor((width - GAP * (this.columns - 1)) / this.columns);
    this.rowHeight = this.cell + CAPTION;
    this.rows = [];
    let top = 0;
    let position = 0;
    for (const { title, images } of this.groups ?? []) {
      if (title !== null) {
        this.rows.push({ top, height: TITLE, title, count: images.length });
        top += TITLE;
      }
      for (let start = 0; start < images.length; start += this.columns) {
        const length = Math.min(this.columns, images.length - start);
        this.rows.push({ top, height: this.rowHeight, start: position + start, length });
        top += this.rowHeight + GAP;
      }
      position += images.length;
    }
    this.height = top;
    this.canvas.style.height = `${Math.min(top, HIGHEST)}px`;
    this.canvas.style.setProperty("--cell", `${this.cell}px`);
    this.canvas.style.setProperty("--columns", this.columns);
    this.canvas.setAttribute("aria-rowcount", this.rows.length);
    this.canvas.setAttribute("aria-colcount", this.columns);
    this.drawn.forEach((element) => element.remove());
    this.drawn.clear();
    this.scrollTo(seen);
    this.draw();
  }

  /** How far is scrolled down the rows. */
  get top() {
    return this.scroller.scrollTop + this.offset;
  }

  /** By how much the rows are higher than the canvas. */
  get excess() {
    return Math.max(0, this.height - HIGHEST);
  }

  /** How far can be scrolled down the canvas. */
  get reachable() {
    return this.scroller.scrollHeight - this.scroller.clientHeight;
  }

  /**
   * Rows that are higher than the canvas are scrolled in stretches: within one, pixel by pixel; from each to the next, by
   * an equal share of the excess less on the canvas than in the rows. So the first begins at the top of both, and the last
   * ends at the bottom of both.
   */
  scrollTo(top) {
    const there = Math.max(0, Math.min(top, this.reachable + this.excess));
    this.offset = this.offsetAt(there);
    if (this.top !== there) this.scroller.scrollTop = there - this.offset;
    this.scrolledTo = this.scroller.scrollTop;
  }

  offsetAt(top) {
    if (!this.excess) return 0;
    const last = Math.floor(this.height / STRETCH) - 1;
    return Math.round((Math.min(last, Math.floor(top / STRETCH)) / last) * this.excess);
  }

  /** A small step, as of a wheel, goes as far down the rows; a large one, as of the scroll bar, to the same share of them. */
  scrolled() {
    const { scrollTop, clientHeight } = this.scroller;
    if (this.excess && Math.abs(scrollTop - this.scrolledTo) < clientHeight) this.scrollTo(this.top);
    else this.offset = this.offsetAt(scrollTop * (1 + this.excess / this.reachable));
    this.scrolledTo = this.scroller.scrollTop;
    this.drawSoon();
  }

  rowOf(position) {
    let low = 0;
    let high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const row = this.rows[middle];
      const start = row.title === undefined ? row.start : (this.rows[middle + 1]?.start ?? Infinity);
      if (start <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The first row that ends below a height. */
  rowAt(height) {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].top + this.rows[middle].height < height) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  drawSoon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    const { clientHeight } = this.scroller;
    const top = this.top - this.canvas.offsetTop;
    const first = this.rowAt(top - clientHeight * BEYOND);
    const wanted = new Set();
    for (let place = first; place < this.rows.length; place += 1) {
      if (this.rows[place].top > top + clientHeight * (1 + BEYOND)) break;
      wanted.add(place);
    }
    for (const [place, element] of this.drawn) {
      if (wanted.has(place)) continue;
      element.remove();
      this.drawn.delete(place);
    }
    for (const place of wanted) {
      if (!this.drawn.has(place)) {
        const element = this.rowElement(place);
        this.drawn.set(place, element);
        this.canvas.append(element);
      }
      this.drawn.get(place).style.transform = `translateY(${this.rows[place].top - this.offset}px)`;
    }
    if (this.image && document.getElementById(`cell-${this.image.index}`)) {
      this.canvas.setAttribute("aria-activedescendant", `cell-${this.image.index}`);
    } else this.canvas.removeAttribute("aria-activedescendant");
  }

  /** Draw again what is seen of these images, and of others with the same bytes. */
  refresh(images) {
    const subjects = new Set(images.map((image) => image.sha256));
    this.redraw((image) => subjects.has(image.sha256));
  }

  /** Draw those again whose thumbnail had not been read yet. */
  refreshWaiting() {
    this.redraw((image, cell) => cell.querySelector(".waiting") !== null);
  }

  redraw(wanted) {
    for (const cell of this.canvas.querySelectorAll(".cell")) {
      const position = Number(cell.dataset.position);
      const image = this.list[position];
      if (image && wanted(image, cell)) cell.replaceWith(this.cellElement(image, position));
    }
  }

  rowElement(place) {
    const row = this.rows[place];
    const element = made("div", row.title === undefined ? "row" : "title");
    element.setAttribute("role", "row");
    element.setAttribute("aria-rowindex", place + 1);
    if (row.title !== undefined) {
      const title = made("div", "", visible(row.title));
      title.setAttribute("role", "rowheader");
      title.append(made("span", "count", row.count.toLocaleString("en")));
      element.append(title);
      return element;
    }
    for (let place = 0; place < row.length; place += 1) {
      element.append(this.cellElement(this.list[row.start + place], row.start + place, place));
    }
    return element;
  }

  cellElement(image, position, column = null) {
    const opinion = this.decisions.of(image)?.opinion ?? (this.decisions.any(image) ? "rules" : null);
    const cell = made("div", `cell ${image.outcome}`);
    cell.id = `cell-${image.index}`;
    cell.dataset.position = position;
    cell.setAttribute("role", "gridcell");
    cell.setAttribute("aria-colindex", (column ?? position - this.rows[this.rowOf(position)].start) + 1);
    cell.setAttribute("aria-selected", this.selected.has(position));
    cell.setAttribute("aria-label", this.label(image, opinion));
    cell.classList.toggle("active", position === this.active);
    cell.classList.toggle("revealed", image === this.revealed);
    const tile = made("div", "tile");
    fillTile(tile, image);
    if (opinion) tile.append(made("span", `mine ${opinion}`, OPINION_SIGNS[opinion] ?? "•"));
    const name = made("div", "name", visible(nameOf(image.path)));
    name.title = visible(image.path);
    const facts = made("div", "facts");
    facts.append(made("span", `badge ${image.outcome}`, image.outcome), made("span", "what", whatOf(image)));
    if (image.score !== null) facts.append(made("span", "score", image.score.toFixed(2)));
    cell.append(tile, name, facts);
    return cell;
  }

  label(image, opinion) {
    const parts = [visible(nameOf(image.path)), image.outcome, whatOf(image)];
    if (image.score !== null) parts.push(`score ${image.score.toFixed(2)}`);
    if (opinion) parts.push(`you ${OPINION_WORDS[opinion] ?? "decided on rules"}`);
    return parts.filter(Boolean).join(", ");
  }

  /** Make an image the current one, without a selection. */
  activate(position) {
    if (this.selected.size) {
      this.selected.clear();
      this.handlers.selected();
    }
    this.anchor = null;
    this.go(position);
  }

  go(position) {
    if (!this.list.length) return;
    const before = this.active;
    this.active = Math.max(0, Math.min(position, this.list.length - 1));
    this.reach(this.active);
    this.mark([before, this.active]);
  }

  /** Select from where the selection began to a position. */
  extend(position) {
    this.anchor ??= this.active;
    const before = [...this.selected];
    this.selected.clear();
    const end = Math.max(0, Math.min(position, this.list.length - 1));
    for (let place = Math.min(this.anchor, end); place <= Math.max(this.anchor, end); place += 1) this.selected.add(place);
    this.go(end);
    this.mark([...before, ...this.selected]);
    this.handlers.selected();
  }

  pick(position) {
    if (!this.selected.delete(position)) this.selected.add(position);
    this.anchor = position;
    this.go(position);
    this.handlers.selected();
  }

  selectAll() {
    this.selected = new Set(this.list.keys());
    this.mark();
    this.handlers.selected();
  }

  deselect() {
    this.selected.clear();
    this.anchor = null;
    this.mark();
    this.handlers.selected();
  }

  mark() {
    for (const cell of this.canvas.querySelectorAll(".cell")) {
      const position = Number(cell.dataset.position);
      cell.classList.toggle("active", position === this.active);
      cell.setAttribute("aria-selected", this.selected.has(position));
    }
    if (this.image) this.canvas.setAttribute("aria-activedescendant", `cell-${this.image.index}`);
  }

  /** The position so many rows further, in the same column as far as there is one. */
  rowsFurther(by) {
    if (!this.list.length) return 0;
    const step = Math.sign(by);
    let place = this.rowOf(this.active);
    const column = this.active - this.rows[place].start;
    for (let left = Math.abs(by); left > 0; ) {
      const next = this.rows[place + step];
      if (!next) break;
      place += step;
      if (next.title === undefined) left -= 1;
    }
    if (this.rows[place].title !== undefined) return this.active;
    return this.rows[place].start + Math.min(column, this.rows[place].length - 1);
  }

  get page() {
    return Math.max(1, Math.floor(this.scroller.clientHeight / (this.rowHeight + GAP)));
  }

  /** Scroll as little as is needed to see a position. */
  reach(position) {
    const row = this.rows[this.rowOf(position)];
    if (!row) return;
    const top = this.canvas.offsetTop + row.top;
    const { clientHeight } = this.scroller;
    if (top - TITLE < this.top) this.scrollTo(top - TITLE);
    else if (top + row.height + GAP > this.top + clientHeight) this.scrollTo(top + row.height + GAP - clientHeight);
    this.draw();
  }

  /** Show one image without its blur; null: none. */
  reveal(image) {
    this.revealed = image;
    for (const cell of this.canvas.querySelectorAll(".cell")) {
      cell.classList.toggle("revealed", image !== null && this.list[Number(cell.dataset.position)] === image);
    }
  }
}

function whatOf(image) {
  if (image.outcome === "error") return visible(image.words.split(":")[0]);
  return visible(foundIn(image).map(({ rule }) => rule.id).join(", "));
}

/** A picture, or why there is none. */
function fillTile(tile, image) {
  const thumbnail = thumbnailOf(image);
  tile.classList.toggle("waiting", thumbnail === null);
  if (thumbnail?.address) {
    const picture = made("img");
    picture.alt = "";
    picture.decoding = "async";
    picture.draggable = false;
    picture.addEventListener("error", () => explain(picture, thumbnail.address), { once: true });
    picture.src = thumbnail.address;
    tile.append(picture);
  } else if (thumbnail) tile.append(made("span", "why", visible(thumbnail.why)));
}

/** Put why there is no picture in its place: a program that serves the page says it. */
async function explain(picture, address) {
  const why = made("span", "why", "no picture");
  picture.replaceWith(why);
  if (meta.pictures !== "served") return;
  try {
    why.textContent = visible(await (await fetch(address)).text());
  } catch {
    why.textContent = "the program that serves this page has ended";
  }
}
