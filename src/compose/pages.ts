import type { Page, PageInput } from '../api/ports.ts';

/** A page of a list that lies in memory; the key of its last item leads to the next. */
export function pageOf<Item>(
  all: readonly Item[],
  { limit, after }: PageInput,
  key: (item: Item) => string,
): Page<Item> {
  const from = after === undefined ? 0 : all.findIndex((item) => key(item) === after) + 1;
  const items = all.slice(from, from + limit);
  const last = items.at(-1);
  return { items, next: all.length > from + limit && last !== undefined ? key(last) : null };
}
