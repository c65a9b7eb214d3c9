import { quietly } from "./options.js";
import { createTracker, type Options, type Tracker } from "./tracker.js";

type Call = [keyof Tracker, ...unknown[]];
type Door = Tracker & { push(call: Call): void; createTracker: typeof createTracker };

const NUMBERS = ["interval", "batch", "limit", "minimum", "longest"];

/** Start from the script tag's data attributes; `proffer.push(["track", ...])` works before the file has come, too. */
quietly(() => {
  const tag = document.currentScript as HTMLScriptElement;
  const found: Record<string, unknown> = { endpoint: new URL(tag.src).origin };
  for (const [name, text] of Object.entries(tag.dataset)) {
    found[name] = read(name, text!);
  }
  const page = window as unknown as { proffer?: Door | Call[] };
  const before = page.proffer;
  // Loaded twice: one tracker is enough.
  if (before && !Array.isArray(before)) return;
  const door = { ...createTracker(found as unknown as Options), createTracker } as Door;
  door.push = ([name, ...given]) => void quietly(() => (door[name] as (...given: unknown[]) => unknown)(...given));
  page.proffer = door;
  door.observe();
  before?.forEach(door.push);
});

function read(name: string, text: string): unknown {
  if (name === "context") return quietly(() => JSON.parse(text));
  return text === "false" ? false : NUMBERS.includes(name) ? Number(text) : text;
}
