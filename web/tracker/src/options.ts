/** What a page may ask of its tracker; only `writeKey` has no default. */
export interface Options {
  /** A token with the scope `track`; it is seen by everybody who opens the page. */
  writeKey: string;
  /** Where Proffer answers, such as `https://proffer.example.com`; by default the page's own origin. */
  endpoint?: string;
  /** Id of the person, where known; without one a random visitor id is kept in local storage. */
  user?: string;
  /** What every event holds besides its own context, such as `{assessment: "a1"}`. */
  context?: Context;
  /** Of the keys in storage: two trackers of one origin that send to two workspaces need two names. */
  name?: string;
  /** Milliseconds that an event waits for others. */
  interval?: number;
  /** So many events are sent without waiting, and at most so many in one request. */
  batch?: number;
  /** So many events are kept; then the oldest go. */
  limit?: number;
  /** A look at an item counts from so many seconds of being visible. */
  minimum?: number;
  /** A longer look counts as so many seconds: the person has gone away. */
  longest?: number;
  /** The events told of items on the page, or false for none: seen for a while, clicked, came into sight. */
  view?: string | false;
  click?: string | false;
  impression?: string | false;
}

export type Context = Readonly<Record<string, unknown>>;

export const DEFAULTS = {
  endpoint: "",
  name: "proffer",
  interval: 5000,
  batch: 20,
  limit: 500,
  minimum: 1,
  longest: 600,
  view: "view",
  click: "click",
  impression: "impression",
} as const;

export type Settings = Options & Required<Omit<Options, "user" | "context">>;

/** Where a tracker runs: a browser's window, or what a test has made like one. */
export type World = Window & typeof globalThis;

/** Return what a function returns, or undefined where it throws: nothing of ours may reach the page. */
export function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
