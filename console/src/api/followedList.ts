/** One thing of a list as it is now, or that it is gone. */
export type Change<Item> = Item | { id: string; removed: true };

type List<Item> = { items: Item[] };

/**
 * A list that is read as a whole and changes with events.
 *
 * An answer that is under way while a change comes may be older than the change, so the change is made in it once more.
 * Where the answer is the newer one, the events that lead up to it are still to come.
 */
export class FollowedList<Item extends { id: string }> {
  readonly #underWay = new Set<Change<Item>[]>();

  async read<Read extends List<Item>>(request: () => Promise<Read>): Promise<Read> {
    const meanwhile: Change<Item>[] = [];
    this.#underWay.add(meanwhile);
    try {
      const list = await request();
      return meanwhile.reduce((changed, change) => ({ ...changed, items: withChange(changed.items, change) }), list);
    } finally {
      this.#underWay.delete(meanwhile);
    }
  }

  /** Makes a change in the list as it was read last; `undefined` is one that was not read yet. */
  follow<Read extends List<Item>>(list: Read | undefined, change: Change<Item>): Read | undefined {
    for (const meanwhile of this.#underWay) meanwhile.push(change);
    return list && { ...list, items: withChange(list.items, change) };
  }
}

/** Returns the list with one thing changed, added at its end, or taken out. */
function withChange<Item extends { id: string }>(items: Item[], change: Change<Item>): Item[] {
  if ("removed" in change) return items.filter(({ id }) => id !== change.id);
  const isKnown = items.some(({ id }) => id === change.id);
  return isKnown ? items.map((item) => (item.id === change.id ? change : item)) : [...items, change];
}
