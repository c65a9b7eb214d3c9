// What is seen, and for how long; what is clicked.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { createTracker } from "../../../src/proffer/web/tracker.mjs";
import { FakeElement, pass, World } from "./world.mjs";

const KEY = { writeKey: "pf_key", user: "u1", interval: 3_000_000 };

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 }));
afterEach(() => mock.timers.reset());

function watching(options = {}) {
  const world = new World();
  const tracker = createTracker({ ...KEY, ...options }, world);
  const told = async () => {
    await tracker.flush();
    return world.events.map((each) => [each.event, each.properties.target, each.properties.value]);
  };
  tracker.observe();
  return { world, tracker, told };
}

test("a look counts from one second, in seconds", async () => {
  const { world, told } = watching();
  const card = new FakeElement({ profferItem: "r1" });
  world.see(card);
  await pass(900);
  world.see(card, 0);
  await pass(1000);
  world.see(card);
  await pass(2500);
  world.see(card, 0.2);
  assert.deepEqual(await told(), [["view", "r1", 2.5]]);
});

test("less than half of a card is not a look, half of the window is", async () => {
  const { world, told } = watching();
  const card = new FakeElement({ profferItem: "r1" });
  world.see(card, 0.4);
  await pass(5000);
  world.see(card, 0);
  const long = new FakeElement({ profferItem: "long" });
  const entry = {
    target: long,
    isIntersecting: true,
    intersectionRatio: 0.2,
    rootBounds: null,
    intersectionRect: { height: 400 },
  };
  world.sight([entry]);
  await pass(2000);
  world.see(long, 0);
  assert.deepEqual(await told(), [["view", "long", 2]]);
});

test("time while the page is hidden does not count", async () => {
  const { world, told } = watching();
  world.see(new FakeElement({ profferItem: "r1" }));
  await pass(2000);
  world.hide();
  await pass(60_000);
  world.hide("visible");
  await pass(3000);
  world.hide();
  assert.deepEqual(await told(), [
    ["view", "r1", 2],
    ["view", "r1", 3],
  ]);
});

test("what has left sight is not looked at when the page comes back", async () => {
  const { world, told } = watching();
  const card = new FakeElement({ profferItem: "r1" });
  world.see(card);
  world.see(card, 0);
  world.hide();
  world.hide("visible");
  await pass(3000);
  world.hide();
  assert.deepEqual(await told(), []);
});

test("a page opened in the background is looked at when it comes to the front", async () => {
  const { world, told } = watching();
  world.hide();
  world.see(new FakeElement({ profferItem: "r1" }));
  await pass(5000);
  world.hide("visible");
  await pass(1500);
  world.hide();
  assert.deepEqual(await told(), [["view", "r1", 1.5]]);
});

test("a look has its longest and shortest, and can be called otherwise or not at all", async () => {
  for (const [options, expected] of [
    [{ minimum: 3, longest: 10, view: "seen" }, [["seen", "r1", 10]]],
    [{ minimum: 30 }, []],
    [{ view: false }, []],
  ]) {
    const { world, told } = watching(options);
    const card = new FakeElement({ profferItem: "r1" });
    world.see(card);
    await pass(20_000);
    world.see(card, 0);
    assert.deepEqual(await told(), expected);
  }
});

test("a card that shows another item ends the look at the first", async () => {
  const { world, told } = watching();
  const card = new FakeElement({ profferItem: "r1" });
  world.see(card);
  await pass(2000);
  card.dataset.profferItem = "r2";
  world.mutate([{ type: "attributes", target: card, addedNodes: [], removedNodes: [] }]);
  assert.ok(world.watched.has(card));
  world.see(card);
  await pass(3000);
  card.isConnected = false;
  world.mutate([{ type: "childList", target: world.document, addedNodes: [], removedNodes: [card] }]);
  assert.ok(!world.watched.has(card));
  assert.deepEqual(await told(), [
    ["view", "r1", 2],
    ["view", "r2", 3],
  ]);
});

test("a card that comes later is watched", async () => {
  const { world } = watching();
  const card = new FakeElement({ profferItem: "r1" });
  world.mutate([{ type: "childList", target: world.document, addedNodes: [card, { nodeType: 3 }], removedNodes: [] }]);
  assert.ok(world.watched.has(card));
});

test("an item with a place is told as an impression, once a query", async () => {
  const { world, tracker } = watching();
  const list = new FakeElement({ profferQuery: "q1" });
  const card = new FakeElement({ profferItem: "r1", profferPosition: "3" }, list);
  for (let time = 0; time < 3; time++) {
    world.see(card);
    world.see(card, 0);
  }
  list.dataset.profferQuery = "q2";
  world.see(card);
  await tracker.flush();
  const found = world.events.map(({ event, properties: p }) => [event, p.target, p.position, p.query_id]);
  assert.deepEqual(found, [
    ["impression", "r1", 3, "q1"],
    ["impression", "r1", 3, "q2"],
  ]);
});

test("buttons tell their action with its value, links a click, the rest nothing", async () => {
  const { world, told } = watching();
  const card = new FakeElement({ profferItem: "r1", profferQuery: "q1" });
  const star = new FakeElement({ profferAction: "rate", profferValue: "4" }, card);
  const inside = new FakeElement({}, star);
  world.click(inside);
  world.click(new FakeElement({ profferAction: "tag", profferValue: "later" }, card));
  world.click(new FakeElement({ profferAction: "dismiss" }, card));
  world.click(new FakeElement({}, card, true));
  world.click(new FakeElement({}, card));
  world.click(new FakeElement({ profferAction: "save" }));
  world.click({});
  assert.deepEqual(await told(), [
    ["rate", "r1", 4],
    ["tag", "r1", "later"],
    ["dismiss", "r1", undefined],
    ["click", "r1", undefined],
  ]);
  assert.ok(world.events.every((each) => each.properties.query_id === "q1"));
});

test("before the page is watched nothing but what it tracks is told", async () => {
  const world = new World();
  const tracker = createTracker(KEY, world);
  world.click(new FakeElement({ profferAction: "save" }, new FakeElement({ profferItem: "r1" })));
  assert.equal(tracker.state().waiting, 0);
});

test("clicks can be left alone", async () => {
  const { world, told } = watching({ click: false });
  world.click(new FakeElement({}, new FakeElement({ profferItem: "r1" }), true));
  assert.deepEqual(await told(), []);
});

test("who looks is asked when the look begins", async () => {
  const { world, tracker } = watching();
  world.see(new FakeElement({ profferItem: "r1" }));
  await pass(2000);
  tracker.setUser("u2");
  await pass(3000);
  world.hide();
  await tracker.flush();
  assert.deepEqual(
    world.events.map((each) => [each.userId, each.properties.value]),
    [
      ["u1", 2],
      ["u2", 3],
    ],
  );
});
