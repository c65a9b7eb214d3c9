import type { Keep } from "./keep.js";
import { quietly, type Settings, type World } from "./options.js";
import type { Queue } from "./queue.js";

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 300_000;
const PATIENCE = 15_000;
const LEASE = "lease";

/** Sends what waits, one tab at a time, and again later where that fails. */
export class Sender {
  sent = 0;
  refused = 0;
  private failures = 0;
  private notBefore = 0;
  private due = Infinity;
  private timer: number | undefined;
  private stopped = false;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly world: World,
    private readonly settings: Settings,
    private readonly queue: Queue,
    private readonly keep: Keep,
    private readonly off: () => unknown,
  ) {}

  /** See to it that what waits is sent within so many milliseconds, or when the pause after a failure is over. */
  schedule(wait: number): void {
    const now = Date.now();
    const at = Math.max(now + wait, this.notBefore);
    if (this.stopped || at >= this.due) return;
    this.world.clearTimeout(this.timer);
    this.due = at;
    this.timer = this.world.setTimeout(() => void this.flush(), at - now);
  }

  /** The network is back: no need to wait on. */
  hurry(): void {
    this.notBefore = 0;
    this.schedule(0);
  }

  /** Send everything that waits, after what is being sent, unless another tab is doing so. */
  flush(): Promise<void> {
    this.world.clearTimeout(this.timer);
    this.due = Infinity;
    return (this.running = this.running.then(() => this.once()));
  }

  private async once(): Promise<void> {
    try {
      await this.alone(() => this.drain());
    } catch {
      // Nothing of ours may reach the page.
    }
    // After a failure the pause counts; otherwise another tab sends, or something came meanwhile.
    const wait = Date.now() < this.notBefore ? 0 : this.settings.interval;
    if (this.queue.keys.length && !this.off()) this.schedule(wait);
  }

  /**
   * Hand this tab's events to the browser, which sends them after the page has gone. Whether they arrive it does not
   * say, so they stay until a later request is answered; their ids let them count once.
   */
  beacon(): void {
    let left = [...this.queue.mine];
    this.queue.mine.clear();
    for (;;) {
      const [taken, texts] = this.queue.pack(left, this.settings.batch);
      const navigator = this.world.navigator;
      if (!taken.length || !quietly(() => navigator.sendBeacon(this.url, this.body(texts)))) return;
      left = left.slice(left.indexOf(taken[taken.length - 1]!) + 1);
    }
  }

  stop(): void {
    this.stopped = true;
    this.world.clearTimeout(this.timer);
  }

  private get url(): string {
    return this.settings.endpoint + "/v1/batch";
  }

  private body(texts: string): string {
    const head = JSON.stringify({ writeKey: this.settings.writeKey, sentAt: new Date().toISOString() });
    return `${head.slice(0, -1)},"batch":[${texts}]}`;
  }

  /** Run work while no other tab does; where browsers lend no locks (over plain http) a note with a date must do. */
  private async alone(work: () => Promise<void>): Promise<void> {
    const locks = this.world.navigator.locks;
    const name = this.settings.name;
    try {
      if (locks) return await locks.request(name, { ifAvailable: true }, (lock) => (lock ? work() : undefined));
    } catch {
      // A sandboxed frame has locks that refuse.
    }
    const now = Date.now();
    const until = Number(this.keep.get(LEASE));
    // A date far ahead was written by a clock that has been set back since.
    if (until > now && until <= now + PATIENCE * 2) return;
    this.keep.set(LEASE, String(now + PATIENCE));
    await work().finally(() => this.keep.remove(LEASE));
  }

  private async drain(): Promise<void> {
    while (!this.off() && Date.now() >= this.notBefore) {
      const [taken, texts] = this.queue.pack(this.queue.keys, this.settings.batch);
      if (!taken.length) return;
      const [status, pause] = await this.post(texts);
      const kept = status >= 500 || [0, 408, 425, 429].includes(status);
      if (kept) return this.pause(pause);
      this.failures = 0;
      this.queue.remove(taken);
      if (status < 300) this.sent += taken.length;
      else this.refused += taken.length;
    }
  }

  /** Return the status, 0 where no answer came, and the milliseconds that the server asks us to wait. */
  private async post(texts: string): Promise<[number, number]> {
    const given = new AbortController();
    const timer = this.world.setTimeout(() => given.abort(), PATIENCE);
    try {
      // As text, and without a header of ours, so that a browser sends it to another origin without asking first.
      const answer = await this.world.fetch(this.url, {
        method: "POST",
        body: this.body(texts),
        credentials: "omit",
        signal: given.signal,
      });
      return [answer.status, Number(answer.headers.get("Retry-After")) * 1000 || 0];
    } catch {
      return [0, 0];
    } finally {
      this.world.clearTimeout(timer);
    }
  }

  /** Exponential backoff with full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter */
  private pause(asked: number): void {
    const most = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.failures++);
    this.notBefore = Date.now() + Math.max(Math.min(asked, LONGEST_PAUSE), Math.random() * most);
  }
}
