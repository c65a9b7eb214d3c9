// A browser of one's own: its clock stands until it is told to go on, its network answers as it is told.
import { mock } from "node:test";

export class FakeStorage {
  constructor(space = Infinity) {
    this.map = new Map();
    this.space = space;
  }
  get length() {
    return this.map.size;
  }
  key(place) {
    return [...this.map.keys()][place] ?? null;
  }
  getItem(key) {
    return this.map.get(key) ?? null;
  }
  setItem(key, text) {
    const others = [...this.map].filter(([name]) => name !== key).reduce((sum, [a, b]) => sum + a.length + b.length, 0);
    if (others + key.length + text.length > this.space) throw new Error("QuotaExceededError");
    this.map.set(key, text);
  }
  removeItem(key) {
    this.map.delete(key);
  }
}

/** Locks of one origin: what tabs share beside the storage. */
export class FakeLocks {
  held = new Set();
  async request(name, { ifAvailable }, work) {
    if (!ifAvailable) throw new Error("only asked for what is free");
    if (this.held.has(name)) return work(null);
    this.held.add(name);
    try {
      return await work({ name });
    } finally {
      this.held.delete(name);
    }
  }
}

export class FakeElement extends EventTarget {
  constructor(dataset = {}, parent = null, link = false) {
    super();
    this.dataset = dataset;
    this.parent = parent;
    this.link = link;
    this.isConnected = true;
  }
  matches(selector) {
    if (selector.startsWith("a[href]")) return this.link;
    const name = selector
      .slice(1, -1)
      .replace(/^data-/, "")
      .replace(/-(.)/g, (_, letter) => letter.toUpperCase());
    return name in this.dataset;
  }
  closest(selector) {
    return this.matches(selector) ? this : (this.parent?.closest(selector) ?? null);
  }
  querySelectorAll() {
    return [];
  }
}

export class World extends EventTarget {
  requests = [];
  beacons = [];
  answer = () => new Response("{}", { status: 200 });
  listeners = 0;
  innerHeight = 600;

  constructor({
    storage = new FakeStorage(),
    locks = new FakeLocks(),
    navigator = {},
    session = new FakeStorage(),
  } = {}) {
    super();
    const world = this;
    this.localStorage = storage;
    this.sessionStorage = session;
    this.crypto = globalThis.crypto;
    this.performance = { now: () => Date.now() };
    this.navigator = {
      locks,
      sendBeacon: (url, body) => (world.beacons.push({ url, body: JSON.parse(body) }), true),
      ...navigator,
    };
    this.document = this.counted(new EventTarget());
    this.document.visibilityState = "visible";
    this.document.querySelectorAll = () => world.elements;
    this.document.isConnected = true;
    this.elements = [];
    this.counted(this);
    this.IntersectionObserver = class {
      constructor(told) {
        world.sight = told;
        world.watched = new Set();
      }
      observe(element) {
        world.watched.add(element);
      }
      unobserve(element) {
        world.watched.delete(element);
      }
      disconnect() {
        world.watched.clear();
      }
    };
    this.MutationObserver = class {
      constructor(told) {
        world.mutate = told;
      }
      observe() {}
      disconnect() {
        world.mutate = undefined;
      }
    };
  }

  counted(target) {
    const world = this;
    const add = target.addEventListener.bind(target);
    target.addEventListener = (type, listener, options) => {
      world.listeners++;
      options?.signal?.addEventListener("abort", () => world.listeners--, { once: true });
      add(type, listener, options);
    };
    return target;
  }

  setTimeout = (...given) => globalThis.setTimeout(...given);
  clearTimeout = (timer) => globalThis.clearTimeout(timer);

  fetch = async (url, options) => {
    const body = JSON.parse(options.body);
    this.requests.push({ url, body, options });
    return this.answer(this.requests.length, body);
  };

  get events() {
    return this.requests.flatMap((each) => each.body.batch);
  }

  see(element, ratio = 1) {
    this.sight([
      {
        target: element,
        isIntersecting: ratio > 0,
        intersectionRatio: ratio,
        rootBounds: { height: 600 },
        intersectionRect: { height: ratio * 100 },
      },
    ]);
  }

  hide(state = "hidden") {
    this.document.visibilityState = state;
    this.document.dispatchEvent(new Event("visibilitychange"));
  }

  click(element) {
    const event = new Event("click");
    Object.defineProperty(event, "target", { value: element });
    this.document.dispatchEvent(event);
  }
}

/** Let what waits for a promise go on. */
export async function settle() {
  for (let turn = 0; turn < 50; turn++) await null;
}

/** Let time pass, a tenth of a second at a time. */
export async function pass(milliseconds) {
  for (let done = 0; done < milliseconds; done += 100) {
    mock.timers.tick(Math.min(100, milliseconds - done));
    await settle();
  }
}
