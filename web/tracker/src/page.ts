import { quietly, type Context, type Settings, type World } from "./options.js";

type Tell = (item: string, type: string, value?: unknown, context?: Context) => unknown;
/** An item in sight: what it was when the look at it began, and when that was. */
interface Look {
  item: string;
  context: Context;
  since: number;
}

const ITEM = "[data-proffer-item]";
const WATCHED = ["data-proffer-item", "data-proffer-query"];
const STEPS = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

/** Watches the items of a page: what is seen and for how long, what is clicked. */
export class Page {
  private readonly seen = new Set<Element>();
  private readonly looks = new Map<Element, Look>();
  private readonly shown = new Set<string>();
  private watching = false;
  private readonly sight: IntersectionObserver | undefined;
  private readonly changes: MutationObserver | undefined;

  constructor(
    private readonly world: World,
    private readonly settings: Settings,
    private readonly tell: Tell,
  ) {
    this.sight = quietly(
      () => new world.IntersectionObserver((entries) => quietly(() => this.sighted(entries)), { threshold: STEPS }),
    );
    this.changes = quietly(() => new world.MutationObserver((found) => quietly(() => this.changed(found))));
  }

  /** Watch the items inside an element, now and those that come later. */
  watch(root: ParentNode & Node): void {
    this.watching = true;
    this.enter(root);
    this.changes?.observe(root, { childList: true, subtree: true, attributeFilter: WATCHED });
  }

  stop(): void {
    this.rest();
    this.seen.clear();
    this.sight?.disconnect();
    this.changes?.disconnect();
  }

  /** The page was hidden, or ends: so do all looks. */
  rest(): void {
    for (const element of [...this.looks.keys()]) this.end(element);
  }

  /** The page is visible again, and people look at what is in sight. */
  resume(): void {
    for (const element of this.seen) this.begin(element);
  }

  /** Forget the looks under way. */
  forget(): void {
    this.looks.clear();
  }

  clicked(event: Event): void {
    if (!this.watching) return;
    const from = event.target as Element;
    const button = from.closest<HTMLElement>("[data-proffer-action]");
    const link = button ?? from.closest("a[href],button,summary");
    const item = link?.closest<HTMLElement>(ITEM);
    const type = button ? button.dataset["profferAction"] : this.settings.click;
    if (!item || !type) return;
    const value = button?.dataset["profferValue"];
    this.tell(item.dataset["profferItem"]!, type, value && !isNaN(+value) ? +value : value, contextOf(item));
  }

  private sighted(entries: IntersectionObserverEntry[]): void {
    for (const entry of entries) {
      const half = (entry.rootBounds?.height || this.world.innerHeight) / 2;
      // Half of the item, or as much of a long one as fills half of the window.
      if (entry.isIntersecting && (entry.intersectionRatio >= 0.5 || entry.intersectionRect.height >= half)) {
        this.seen.add(entry.target);
        this.begin(entry.target);
      } else this.lose(entry.target);
    }
  }

  private changed(found: MutationRecord[]): void {
    for (const { type, target, addedNodes, removedNodes } of found) {
      if (type === "attributes") this.again(target as Element);
      for (const node of removedNodes) {
        // What was only moved to another place stays in sight.
        if (!node.isConnected) this.each(node, (element) => this.leave(element));
      }
      for (const node of addedNodes) this.enter(node);
    }
  }

  private each(node: Node, work: (element: Element) => void): void {
    const root = node as Element;
    if (root.matches?.(ITEM)) work(root);
    root.querySelectorAll?.(ITEM).forEach(work);
  }

  private enter(node: Node): void {
    this.each(node, (element) => this.sight?.observe(element));
  }

  private leave(element: Element): void {
    this.lose(element);
    this.sight?.unobserve(element);
  }

  /** The element shows another item now, or answers another query; perhaps one for all inside. */
  private again(element: Element): void {
    this.leave(element);
    this.each(element, (inside) => this.leave(inside));
    this.enter(element);
  }

  private lose(element: Element): void {
    this.seen.delete(element);
    this.end(element);
  }

  private begin(element: Element): void {
    if (this.looks.has(element) || this.world.document.visibilityState !== "visible") return;
    const context = contextOf(element);
    const item = (element as HTMLElement).dataset["profferItem"]!;
    this.looks.set(element, { item, context, since: this.world.performance.now() });
    const { impression } = this.settings;
    const position = Number((element as HTMLElement).dataset["profferPosition"]);
    const once = JSON.stringify([item, context]);
    if (!impression || !position || this.shown.has(once)) return;
    this.shown.add(once);
    this.tell(item, impression, undefined, { ...context, position });
  }

  private end(element: Element): void {
    const look = this.looks.get(element);
    if (!look) return;
    this.looks.delete(element);
    const { view, minimum, longest } = this.settings;
    const seconds = (this.world.performance.now() - look.since) / 1000;
    if (!view || seconds < minimum) return;
    this.tell(look.item, view, Math.round(Math.min(seconds, longest) * 10) / 10, look.context);
  }
}

/** Return what the page says of where an item comes from: the query that placed it, perhaps told once for all. */
function contextOf(item: Element): Context {
  const query = item.closest<HTMLElement>("[data-proffer-query]")?.dataset["profferQuery"];
  return query ? { query_id: query } : {};
}
