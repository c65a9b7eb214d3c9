import { Keep } from "./keep.js";
import { DEFAULTS, quietly, type Context, type Options, type Settings, type World } from "./options.js";
import { Page } from "./page.js";
import { Queue } from "./queue.js";
import { Sender } from "./sender.js";

export type { Context, Options } from "./options.js";

/** What a page holds; no function of it throws. */
export interface Tracker {
  /** Tell that the person did something with an item; say whether it is kept. */
  track(item: string, type: string, value?: unknown, context?: Context): boolean;
  /** Watch the items inside an element, by default the whole page. */
  observe(root?: ParentNode & Node): void;
  /** Who the person is from now on; without an id a visitor. */
  setUser(id?: string): void;
  /** Send what waits now; resolves when that is done or has failed. */
  flush(): Promise<void>;
  /** Keep and send nothing from now on, on this and every later visit, and forget what waits. */
  optOut(): void;
  optIn(): void;
  state(): State;
  /** Tell of the looks under way, hand over what waits, and let go of every listener and timer. */
  stop(): void;
}

/** Counts of this page, but for `dropped`, which counts in this browser; `off` says why nothing is told. */
export interface State {
  waiting: number;
  sent: number;
  refused: number;
  dropped: number;
  off: string | null;
}

const LIBRARY = { name: "proffer-tracker", version: "0.1.0" };
const OUT = "out";
const VISITOR = "visitor";
const SESSION = "session";
const LARGEST = 16_000;
const EARLY = 1000;

/** Start a tracker. It never throws and never waits; where a browser lacks something it tells less. */
export function createTracker(options: Options, world: World = globalThis as World): Tracker {
  const given = Object.entries(options ?? {}).filter(([, value]) => value !== undefined && !Number.isNaN(value));
  const settings = { ...DEFAULTS, ...Object.fromEntries(given) } as Settings;
  const keep = new Keep(world, "localStorage", settings.name + ":");
  const visit = new Keep(world, "sessionStorage", settings.name + ":");
  const queue = new Queue(keep, settings.limit);
  const sender = new Sender(world, settings, queue, keep, off);
  const page = new Page(world, settings, track);
  const listening = new AbortController();
  let user = settings.user;

  function off(): string | null {
    // A page made on a server is not a visit.
    if (!world.document) return "no browser";
    const { globalPrivacyControl, doNotTrack } = world.navigator as Navigator & { globalPrivacyControl?: boolean };
    if (keep.get(OUT)) return "opt-out";
    if (globalPrivacyControl || doNotTrack === "1") return "privacy signal";
    return settings.writeKey ? null : "no write key";
  }

  function track(item: string, type: string, value?: unknown, context?: Context): boolean {
    return !!quietly(() => {
      if (listening.signal.aborted || off() || String(item ?? "") === "" || !type) return;
      if (typeof value === "number" && !isFinite(value)) return;
      const id = uuid(world);
      const now = new Date();
      const event = {
        type: "track",
        event: type,
        messageId: id,
        timestamp: now.toISOString(),
        ...(user ? { userId: user } : { anonymousId: kept(keep, VISITOR) }),
        properties: {
          session: kept(visit, SESSION),
          ...settings.context,
          ...context,
          target: String(item),
          value: value ?? undefined,
        },
        context: { library: LIBRARY },
      };
      const text = JSON.stringify(event);
      if (text.length > LARGEST) return;
      queue.add(text, now.getTime(), id);
      sender.schedule(queue.keys.length < settings.batch ? settings.interval : 0);
      return true;
    });
  }

  function kept(where: Keep, key: string): string {
    let id = where.get(key);
    if (!id) where.set(key, (id = uuid(world)));
    return id;
  }

  /** The page may never come back: what this tab has told goes now. */
  function leave(): void {
    page.rest();
    if (!off()) sender.beacon();
  }

  function listen(target: EventTarget, type: string, work: (event: Event) => void): void {
    const options = { capture: true, passive: true, signal: listening.signal };
    quietly(() => target.addEventListener(type, (event) => quietly(() => work(event)), options));
  }

  const { document } = world;
  listen(document, "visibilitychange", () => (document.visibilityState === "hidden" ? leave() : page.resume()));
  listen(world, "pagehide", leave);
  listen(world, "online", () => sender.hurry());
  listen(document, "click", (event) => page.clicked(event));
  quietly(() => {
    if (!settings.writeKey) return;
    if (off()) queue.remove(queue.keys);
    else if (queue.keys.length) sender.schedule(Math.min(EARLY, settings.interval));
  });

  return {
    track,
    observe: (root = document) => void quietly(() => page.watch(root)),
    setUser: (id) =>
      void quietly(() => {
        page.rest();
        user = id;
        page.resume();
      }),
    flush: () => quietly(() => sender.flush()) ?? Promise.resolve(),
    optOut: () =>
      void quietly(() => {
        keep.set(OUT, "1");
        page.forget();
        queue.remove(queue.keys);
        keep.remove(VISITOR);
        visit.remove(SESSION);
      }),
    optIn: () => keep.remove(OUT),
    state: () => ({
      waiting: queue.keys.length,
      sent: sender.sent,
      refused: sender.refused,
      dropped: queue.dropped,
      off: off(),
    }),
    stop: () =>
      void quietly(() => {
        page.stop();
        leave();
        sender.stop();
        listening.abort();
      }),
  };
}

/** Return a random id; pages over plain http lack randomUUID. */
function uuid(world: World): string {
  const { crypto } = world;
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
