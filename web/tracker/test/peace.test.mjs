// The page is never disturbed, and nobody is told of who does not want it.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { createTracker } from "../../../src/proffer/web/tracker.mjs";
import { FakeElement, FakeStorage, pass, World } from "./world.mjs";

const KEY = { writeKey: "pf_key" };

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 }));
afterEach(() => mock.timers.reset());

for (const [named, navigator] of [
  ["Global Privacy Control", { globalPrivacyControl: true }],
  ["Do Not Track", { doNotTrack: "1" }],
])
  test(`${named} is respected: nothing is kept, sent or left from before`, async () => {
    const storage = new FakeStorage();
    storage.setItem("proffer:e.1", "{}");
    const world = new World({ navigator, storage });
    const tracker = createTracker(KEY, world);
    const card = new FakeElement({ profferItem: "r1", profferPosition: "1" });
    tracker.observe();
    world.see(card);
    await pass(5000);
    world.see(card, 0);
    assert.equal(tracker.track("r1", "save"), false);
    world.hide();
    await pass(10_000);
    assert.deepEqual([world.requests.length, world.beacons.length, storage.length], [0, 0, 0]);
    assert.equal(tracker.state().off, "privacy signal");
  });

test("a signal that is given later ends the telling", async () => {
  const world = new World();
  const tracker = createTracker(KEY, world);
  tracker.track("r1", "save");
  world.navigator.globalPrivacyControl = true;
  world.hide();
  await pass(10_000);
  assert.equal(tracker.track("r2", "save"), false);
  assert.deepEqual([world.requests.length, world.beacons.length], [0, 0]);
});

test("who opts out is told of no more, in this tab, others, and later", async () => {
  const storage = new FakeStorage();
  const [world, other] = [new World({ storage }), new World({ storage })];
  const [tracker, there] = [createTracker(KEY, world), createTracker(KEY, other)];
  tracker.track("r1", "save");
  there.track("r2", "save");
  tracker.optOut();
  assert.deepEqual([...storage.map.keys()], ["proffer:out"]);
  assert.equal(there.track("r3", "save"), false);
  world.hide();
  other.hide();
  await pass(20_000);
  const later = createTracker(KEY, new World({ storage }));
  assert.equal(later.track("r4", "save"), false);
  assert.deepEqual(
    [world, other].map((each) => each.requests.length + each.beacons.length),
    [0, 0],
  );
  later.optIn();
  assert.equal(later.track("r5", "save"), true);
});

test("a look under way is forgotten by an opt-out", async () => {
  const world = new World();
  const tracker = createTracker(KEY, world);
  tracker.observe();
  const card = new FakeElement({ profferItem: "r1" });
  world.see(card);
  await pass(3000);
  tracker.optOut();
  tracker.optIn();
  world.see(card, 0);
  assert.equal(tracker.state().waiting, 0);
});

test("without any storage memory serves", async () => {
  const world = new World();
  for (const name of ["localStorage", "sessionStorage"])
    Object.defineProperty(world, name, {
      get: () => {
        throw new DOMException("denied", "SecurityError");
      },
    });
  const tracker = createTracker({ ...KEY, limit: 3 }, world);
  for (let number = 0; number < 5; number++) assert.equal(tracker.track(`r${number}`, "click"), true);
  assert.equal(tracker.state().dropped, 2);
  await pass(5100);
  assert.deepEqual(
    world.events.map((each) => each.properties.target),
    ["r2", "r3", "r4"],
  );
  assert.equal(new Set(world.events.map((each) => each.anonymousId)).size, 1);
});

test("locks that refuse, as a sandboxed frame has them, keep nothing back", async () => {
  const world = new World({
    locks: {
      request: async () => {
        throw new DOMException("denied", "SecurityError");
      },
    },
  });
  createTracker(KEY, world).track("r1", "save");
  await pass(5100);
  assert.equal(world.events.length, 1);
});

test("a full storage falls back on memory", async () => {
  const world = new World({ storage: new FakeStorage(600) });
  const tracker = createTracker(KEY, world);
  for (let number = 0; number < 8; number++) tracker.track(`r${number}`, "click");
  assert.equal(tracker.state().waiting, 8);
  world.hide();
  assert.equal(world.beacons[0].body.batch.length, 8);
  await tracker.flush();
  assert.equal(world.events.length, 8);
});

test("a browser without observers, locks, beacons, randomUUID or fetch throws nothing", async () => {
  const world = new World({ navigator: { locks: null, sendBeacon: undefined } });
  world.crypto = { getRandomValues: (bytes) => bytes.fill(7) };
  world.IntersectionObserver = world.MutationObserver = world.fetch = undefined;
  const tracker = createTracker(KEY, world);
  tracker.observe();
  assert.equal(tracker.track("r1", "save"), true);
  world.hide();
  await pass(10_000);
  tracker.stop();
  assert.equal(tracker.state().waiting, 1);
});

test("what cannot be told is refused, and throws nothing", () => {
  const tracker = createTracker(KEY, new World());
  const circle = {};
  circle.circle = circle;
  const given = [
    ["", "save"],
    [null, "save"],
    [undefined, "save"],
    ["r1", ""],
    ["r1", "rate", NaN],
    ["r1", "rate", Infinity],
    ["r1", "save", 1, circle],
    ["r1", "save", 1n],
    ["r1", "save", "x".repeat(20_000)],
    [Symbol("r1"), ""],
  ];
  for (const each of given) assert.equal(tracker.track(...each), false, String(each[1]));
  assert.equal(tracker.track(0, "save"), true);
  assert.equal(tracker.state().waiting, 1);
});

test("without a write key it is off", () => {
  const tracker = createTracker({}, new World());
  assert.equal(tracker.track("r1", "save"), false);
  assert.equal(tracker.state().off, "no write key");
});

test("after stop no listener, timer or observer is left, and what was told has gone", async () => {
  const world = new World();
  let timers = 0;
  world.setTimeout = (work, wait) => (timers++, setTimeout(() => (timers--, work()), wait));
  world.clearTimeout = (timer) => timer && (timers--, clearTimeout(timer));
  const tracker = createTracker(KEY, world);
  tracker.observe();
  const card = new FakeElement({ profferItem: "r1" });
  world.see(card);
  assert.ok(world.listeners >= 4);
  await pass(2000);
  tracker.track("r2", "save");
  tracker.stop();
  assert.deepEqual(
    world.beacons[0].body.batch.map((each) => each.event),
    ["save", "view"],
  );
  assert.deepEqual([world.listeners, timers, world.watched.size, world.mutate], [0, 0, 0, undefined]);
  assert.equal(tracker.track("r3", "save"), false);
  world.hide();
  world.click(card);
  await pass(10_000);
  assert.equal(world.beacons.length, 1);
});

test("outside of a browser it is off, and throws nothing", async () => {
  const tracker = createTracker(KEY, {});
  tracker.observe();
  assert.equal(tracker.track("r1", "save"), false);
  assert.equal(tracker.state().off, "no browser");
  await tracker.flush();
  tracker.optOut();
  tracker.setUser("u1");
  tracker.stop();
  assert.equal(createTracker(KEY).state().off, "no browser");
});

test("what is given as undefined or as no number is not given", async () => {
  const world = new World();
  const tracker = createTracker({ ...KEY, interval: NaN, batch: undefined, limit: undefined, view: undefined }, world);
  tracker.track("r1", "save");
  await pass(4900);
  assert.equal(world.requests.length, 0);
  await pass(200);
  assert.equal(world.requests.length, 1);
});

test("two names are two queues", () => {
  const storage = new FakeStorage();
  const [one, two] = ["a", "b"].map((name) => createTracker({ ...KEY, name }, new World({ storage })));
  one.track("r1", "save");
  assert.deepEqual([one.state().waiting, two.state().waiting], [1, 0]);
});
