import type { Keep } from "./keep.js";

const EVENT = "e.";
const DROPPED = "dropped";
/** Browsers refuse a beacon when more than 64 KiB are on their way. */
const BYTES = 56_000;

/**
 * The events that wait, a key each: tabs of one origin share them, and neither adding nor taking away can undo what
 * another tab does at that moment. Keys sort by time.
 */
export class Queue {
  /** Those of this tab that have not been handed over. */
  readonly mine = new Set<string>();
  private count = 0;

  constructor(
    private readonly keep: Keep,
    private readonly limit: number,
  ) {}

  get keys(): string[] {
    return this.keep.keys(EVENT);
  }

  get dropped(): number {
    return Number(this.keep.get(DROPPED));
  }

  /** Keep an event; the oldest go when there are too many. */
  add(event: string, now: number, id: string): void {
    const key = EVENT + now.toString(36).padStart(9, "0") + (this.count++ % 46_656).toString(36).padStart(3, "0") + id;
    this.keep.set(key, event);
    this.mine.add(key);
    const keys = this.keys;
    const many = keys.length - this.limit;
    if (many > 0) {
      this.remove(keys.slice(0, many));
      this.keep.set(DROPPED, String(this.dropped + many));
    }
  }

  remove(keys: readonly string[]): void {
    for (const key of keys) {
      this.mine.delete(key);
      this.keep.remove(key);
    }
  }

  /** Return the first of these that fit into one request: their keys and their JSON. */
  pack(keys: readonly string[], most: number): [string[], string] {
    const taken: string[] = [];
    const texts: string[] = [];
    let size = 0;
    for (const key of keys) {
      const text = this.keep.get(key);
      // Gone: another tab has sent it in the meantime.
      if (!text) continue;
      // A character is at most three bytes in UTF-8.
      size += text.length * 3;
      if (taken.length === most || (taken.length && size > BYTES)) break;
      taken.push(key);
      texts.push(text);
    }
    return [taken, texts.join()];
  }
}
