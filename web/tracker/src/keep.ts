import { quietly, type World } from "./options.js";

/** Texts by key: a web storage as far as it lets us, memory for the rest (private mode, no space, blocked). */
export class Keep {
  private readonly memory = new Map<string, string>();
  private readonly storage: Storage | undefined;

  constructor(
    world: World,
    kind: "localStorage" | "sessionStorage",
    private readonly prefix: string,
  ) {
    // Reading the property alone throws where a browser blocks storage.
    this.storage = quietly(() => world[kind]) ?? undefined;
  }

  get(key: string): string | null {
    return this.memory.get(key) ?? quietly(() => this.storage?.getItem(this.prefix + key)) ?? null;
  }

  set(key: string, text: string): void {
    this.memory.delete(key);
    if (!quietly(() => (this.storage!.setItem(this.prefix + key, text), true))) this.memory.set(key, text);
  }

  remove(key: string): void {
    this.memory.delete(key);
    quietly(() => this.storage?.removeItem(this.prefix + key));
  }

  /** Return the keys that begin so, sorted. */
  keys(start: string): string[] {
    const found = [...this.memory.keys()];
    const stored = this.storage;
    quietly(() => {
      for (let place = 0; place < stored!.length; place++) {
        const key = stored!.key(place)!;
        if (key.startsWith(this.prefix)) found.push(key.slice(this.prefix.length));
      }
    });
    return found.filter((key) => key.startsWith(start)).sort();
  }
}
