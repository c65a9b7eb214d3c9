import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { createTracker } from "../../../src/proffer/web/tracker.mjs";
import { FakeLocks, FakeStorage, pass, settle, World } from "./world.mjs";

const KEY = { writeKey: "pf_key", endpoint: "https://p.test" };

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 }));
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

test("an event is told once, in Segment's form, after the interval", async () => {
  const world = new World();
  const tracker = createTracker({ ...KEY, user: "u1", context: { assessment: "a1" } }, world);
  assert.equal(tracker.track("r1", "rate", 4, { query_id: "q1" }), true);
  await pass(4900);
  assert.equal(world.requests.length, 0);
  await pass(200);
  const [{ url, body, options }] = world.requests;
  assert.equal(url, "https://p.test/v1/batch");
  assert.equal(body.writeKey, "pf_key");
  assert.equal(options.headers, undefined);
  assert.equal(options.credentials, "omit");
  const [event] = body.batch;
  assert.match(event.messageId, /^[0-9a-f-]{36}$/);
  assert.equal(event.timestamp, "2027-01-15T08:00:00.000Z");
  assert.deepEqual([event.type, event.event, event.userId, event.anonymousId], ["track", "rate", "u1", undefined]);
  const { session, ...rest } = event.properties;
  assert.match(session, /^[0-9a-f-]{36}$/);
  assert.deepEqual(rest, { assessment: "a1", query_id: "q1", target: "r1", value: 4 });
  await pass(60_000);
  assert.equal(world.requests.length, 1);
  assert.deepEqual(tracker.state(), { waiting: 0, sent: 1, refused: 0, dropped: 0, off: null });
});

test("a full batch goes at once, the rest behind it", async () => {
  const world = new World();
  const tracker = createTracker({ ...KEY, batch: 3 }, world);
  for (let number = 0; number < 7; number++) tracker.track(`r${number}`, "click");
  await pass(100);
  assert.deepEqual(
    world.requests.map((each) => each.body.batch.length),
    [3, 3, 1],
  );
  assert.deepEqual(
    world.events.map((each) => each.properties.target),
    ["r0", "r1", "r2", "r3", "r4", "r5", "r6"],
  );
});

test("a visitor keeps one id over visits, a tab one session", async () => {
  const storage = new FakeStorage();
  const [first, second] = [new World({ storage }), new World({ storage })];
  for (const world of [first, second]) {
    const tracker = createTracker(KEY, world);
    tracker.track("r1", "click");
    await tracker.flush();
  }
  const [a, b] = [first.events[0], second.events[0]];
  assert.equal(a.anonymousId, b.anonymousId);
  assert.notEqual(a.properties.session, b.properties.session);
});

test("after failures the pauses grow, with chance, and the ids stay", async () => {
  mock.method(Math, "random", () => 1);
  const world = new World();
  const times = [];
  world.answer = (number) => {
    times.push(Date.now());
    if (number < 6) throw new TypeError("network");
    return new Response("{}");
  };
  const tracker = createTracker({ ...KEY, interval: 100 }, world);
  tracker.track("r1", "save");
  await pass(40_000);
  const pauses = times.slice(1).map((time, place) => time - times[place]);
  assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16_000]);
  assert.equal(new Set(world.events.map((each) => each.messageId)).size, 1);
  assert.equal(tracker.state().waiting, 0);
});

test("chance may shorten a pause to nothing, and lengthens none beyond five minutes", async () => {
  const world = new World();
  world.answer = () => new Response("", { status: 503 });
  mock.method(Math, "random", () => 0);
  const tracker = createTracker({ ...KEY, interval: 100 }, world);
  tracker.track("r1", "save");
  await pass(1000);
  assert.ok(world.requests.length > 5);
  Math.random.mock.mockImplementation(() => 1);
  await pass(100);
  const before = world.requests.length;
  await pass(299_000);
  assert.ok(world.requests.length <= before + 1);
  await pass(2000);
  assert.equal(world.requests.length > before, true);
});

test("after a success the pauses begin anew", async () => {
  mock.method(Math, "random", () => 1);
  const world = new World();
  const times = [];
  world.answer = (number) => {
    times.push(Date.now());
    return new Response("", { status: [4, 6].includes(number) ? 200 : 500 });
  };
  const tracker = createTracker({ ...KEY, interval: 100 }, world);
  tracker.track("r1", "save");
  await pass(8000);
  tracker.track("r2", "save");
  await pass(3000);
  assert.deepEqual(
    times.slice(1, 4).map((time, place) => time - times[place]),
    [1000, 2000, 4000],
  );
  assert.equal(times[5] - times[4], 1000);
});

test("a server that names a pause is obeyed", async () => {
  mock.method(Math, "random", () => 0);
  const world = new World();
  world.answer = (number) => new Response("", { status: number === 1 ? 429 : 200, headers: { "Retry-After": "7" } });
  const tracker = createTracker({ ...KEY, interval: 100 }, world);
  tracker.track("r1", "save");
  await pass(7000);
  assert.equal(world.requests.length, 1);
  await pass(300);
  assert.equal(world.requests.length, 2);
});

test("new events do not break a pause, but the network's return does", async () => {
  mock.method(Math, "random", () => 1);
  const world = new World();
  world.answer = (number) => {
    if (number < 5) throw new TypeError("network");
    return new Response("{}");
  };
  const tracker = createTracker({ ...KEY, interval: 100 }, world);
  tracker.track("r1", "save");
  await pass(8000);
  assert.equal(world.requests.length, 4);
  for (let number = 0; number < 30; number++) tracker.track("r2", "click");
  await pass(1000);
  assert.equal(world.requests.length, 4);
  world.dispatchEvent(new Event("online"));
  await pass(100);
  assert.equal(tracker.state().waiting, 0);
});

test("what a server will never take is given up, and counted", async () => {
  const world = new World();
  world.answer = () => new Response("", { status: 401 });
  const tracker = createTracker(KEY, world);
  tracker.track("r1", "save");
  await tracker.flush();
  assert.deepEqual(tracker.state(), { waiting: 0, sent: 0, refused: 1, dropped: 0, off: null });
});

test("what waits survives a reload, and goes once", async () => {
  const storage = new FakeStorage();
  const before = new World({ storage });
  createTracker(KEY, before).track("r1", "save");
  const after = new World({ storage });
  createTracker(KEY, after);
  await pass(1100);
  assert.equal(after.events.length, 1);
  await pass(10_000);
  assert.equal(before.requests.length + after.requests.length, 1);
});

for (const [named, locks] of [
  ["locks", new FakeLocks()],
  ["a lease", null],
])
  test(`two tabs share what waits and send it once, by ${named}`, async () => {
    const storage = new FakeStorage();
    const tabs = [1, 2, 3].map(() => new World({ storage, locks }));
    // Slow enough that a second tab would read what the first is sending.
    const slow = async () => {
      await new Promise((done) => setTimeout(done, 700));
      return new Response("{}");
    };
    const trackers = tabs.map(
      (world) => ((world.answer = slow), createTracker({ ...KEY, interval: 500, batch: 5 }, world)),
    );
    for (let number = 0; number < 30; number++) trackers[number % 3].track(`r${number}`, "click");
    await pass(20_000);
    const sent = tabs.flatMap((world) => world.events.map((each) => each.properties.target));
    assert.equal(sent.length, 30);
    assert.equal(new Set(sent).size, 30);
  });

test("a lease ends with the sending", async () => {
  const storage = new FakeStorage();
  const [one, two] = [1, 2].map(() => new World({ storage, locks: null }));
  for (const world of [one, two]) {
    const tracker = createTracker(KEY, world);
    tracker.track("r1", "save");
    await tracker.flush();
  }
  assert.deepEqual([one.events.length, two.events.length], [1, 1]);
});

test("a tab that dies while it sends keeps the others waiting no longer than its lease", async () => {
  const storage = new FakeStorage();
  const dying = new World({ storage, locks: null });
  dying.answer = () => new Promise(() => {});
  createTracker(KEY, dying).track("r1", "save");
  await pass(5100);
  assert.equal(dying.requests.length, 1);
  const other = new World({ storage, locks: null });
  dying.clearTimeout();
  createTracker(KEY, other);
  await pass(25_000);
  assert.equal(other.events.length, 1);
});

test("of too many the oldest go, and are counted over reloads", async () => {
  const storage = new FakeStorage();
  const world = new World({ storage });
  world.answer = () => new Response("", { status: 500 });
  const tracker = createTracker({ ...KEY, limit: 10 }, world);
  for (let number = 0; number < 15; number++) tracker.track(`r${number}`, "click");
  assert.equal(tracker.state().waiting, 10);
  assert.equal(tracker.state().dropped, 5);
  const after = new World({ storage });
  assert.equal(createTracker({ ...KEY, limit: 10 }, after).state().dropped, 5);
  await pass(1100);
  assert.equal(after.events[0].properties.target, "r5");
});

test("a page that hides hands over what it told, and sends it again until a receipt is seen", async () => {
  const storage = new FakeStorage();
  const world = new World({ storage });
  const tracker = createTracker(KEY, world);
  tracker.track("r1", "save");
  world.hide();
  world.dispatchEvent(new Event("pagehide"));
  assert.equal(world.beacons.length, 1);
  assert.equal(world.beacons[0].url, "https://p.test/v1/batch");
  const id = world.beacons[0].body.batch[0].messageId;
  const after = new World({ storage });
  createTracker(KEY, after);
  await pass(1100);
  assert.equal(after.events[0].messageId, id);
});

test("a beacon that the browser refuses loses nothing", async () => {
  let asked = 0;
  const world = new World({ navigator: { sendBeacon: () => (asked++, false) } });
  const tracker = createTracker({ ...KEY, batch: 2 }, world);
  for (let number = 0; number < 5; number++) tracker.track(`r${number}`, "save");
  world.hide();
  assert.equal(asked, 1);
  assert.equal(tracker.state().waiting, 5);
  await pass(5100);
  assert.equal(world.events.length, 5);
});

test("beacons stay below what browsers take", () => {
  const world = new World();
  const tracker = createTracker({ ...KEY, batch: 100 }, world);
  for (let number = 0; number < 60; number++)
    tracker.track(`r${number}`, "click", undefined, { note: "x".repeat(2000) });
  world.hide();
  const sizes = world.beacons.map((each) => JSON.stringify(each.body).length);
  assert.ok(Math.max(...sizes) < 60_000);
  assert.equal(
    world.beacons.reduce((sum, each) => sum + each.body.batch.length, 0),
    60,
  );
});

test("who asks to send while something is being sent waits for both", async () => {
  const world = new World();
  world.answer = async () => {
    await new Promise((done) => setTimeout(done, 500));
    return new Response("{}");
  };
  const tracker = createTracker({ ...KEY, batch: 1 }, world);
  tracker.track("r1", "save");
  await pass(100);
  assert.equal(world.requests.length, 1);
  tracker.track("r2", "save");
  let done = false;
  void tracker.flush().then(() => (done = true));
  await pass(800);
  assert.equal(done, false);
  await pass(800);
  assert.equal(done, true);
  assert.equal(tracker.state().sent, 2);
});

test("an answer that never comes is waited for fifteen seconds", async () => {
  const world = new World();
  let given = 0;
  world.answer = () =>
    new Promise((_, fail) =>
      world.requests.at(-1).options.signal.addEventListener("abort", () => (given++, fail(new Error("aborted")))),
    );
  const tracker = createTracker(KEY, world);
  tracker.track("r1", "save");
  await pass(19_500);
  assert.equal(given, 0);
  await pass(1000);
  assert.equal(given, 1);
  assert.equal(tracker.state().waiting, 1);
  tracker.stop();
  await settle();
});
