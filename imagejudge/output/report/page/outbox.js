
// Decisions on their way to the program that serves the page.

/** Characters of one request: as bytes, less than the program takes at once. */
const BATCH = 16_000_000;
/** What the program answers where it will never keep what it was sent. */
const REFUSED = 400;

class Outbox {
  /** `settled` is told of steps that were kept, or refused for good with the reason; `rested`, when no more is sent. */
  constructor({ settled, rested }) {
    Object.assign(this, { settled, rested });
    this.waiting = [];
    this.sending = Promise.resolve();
    this.failed = ""; // why what waits could not be sent
  }

  /** The program keeps what it is sent in this order; what could not be sent yet is sent with the next. */
  post(steps) {
    const texts = steps.map(({ image, rule, entry }) => JSON.stringify({ index: image.index, rule, ...(entry ? lineOf(entry) : { decision: null }) }));
    this.waiting = this.waiting.concat(steps.map((step, place) => ({ step, text: texts[place] })));
    this.sending = this.sending.then(() => this.send());
  }

  async send() {
    if (!this.waiting.length) return;
    try {
      while (this.waiting.length) await this.deliver(this.batch());
      this.failed = "";
    } catch (error) {
      this.failed = error.message;
    }
    this.rested();
  }

  /** How many of the first that wait go into one request. */
  batch() {
    let length = 0;
    const beyond = this.waiting.findIndex(({ text }) => (length += text.length) > BATCH);
    return beyond < 0 ? this.waiting.length : Math.max(1, beyond);
  }

  /**
   * Send the first so many that wait. One that is refused has all refused that are sent with it, so halves are sent then,
   * until it stands alone. What fails otherwise may pass the next time, and waits on.
   */
  async deliver(count) {
    const sent = this.waiting.slice(0, count);
    const answer = await fetch("decisions", { method: "POST", body: `[${sent.map(({ text }) => text).join(",")}]` });
    const why = answer.ok ? "" : (await answer.text()) || "another program answers in its place";
    if (!answer.ok && answer.status !== REFUSED) throw new Error(why);
    if (!answer.ok && count > 1) {
      const half = count >> 1;
      await this.deliver(half);
      await this.deliver(count - half);
      return;
    }
    this.waiting = this.waiting.slice(count);
    this.settled(sent.map(({ step }) => step), why);
  }
}
