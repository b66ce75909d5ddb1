import type { EntryIndex } from '../core/ids.ts';
import type { LogReader, StoredEntry } from './reader.ts';
import type { EntryKind } from './stage.ts';

/** What to look for. Everything given must fit; `text` is looked for in the sealed fields, without regard to case. */
export interface SearchQuery {
  readonly text?: string;
  readonly session?: string;
  readonly principal?: string;
  readonly target?: string;
  readonly kind?: EntryKind;
  readonly verb?: string;
  readonly verdict?: string;
  readonly rule?: string;
  readonly resource?: string;
  readonly since?: number;
  readonly until?: number;
}

export interface SearchPage {
  readonly hits: readonly StoredEntry[];
  /** Where to go on (backwards); `null` when everything has been looked at. */
  readonly before: EntryIndex | null;
  readonly scanned: number;
}

export interface SearchLimits {
  readonly hits_max: number;
  readonly entries_max: number;
}

/** Newest first, from `before` backwards, until enough has been found or looked at. */
export async function search(
  reader: LogReader,
  query: SearchQuery,
  limits: SearchLimits,
  before = reader.size,
): Promise<SearchPage> {
  const hits: StoredEntry[] = [];
  const needle = query.text?.toLowerCase() ?? '';
  let end = Math.min(before, reader.size);
  let scanned = 0;
  while (end > 0 && scanned < limits.entries_max) {
    const start = Math.max(0, end - PAGE_ENTRIES);
    const page: StoredEntry[] = [];
    for await (const stored of reader.range(start, end)) page.push(stored);
    for (const stored of page.reverse()) {
      scanned += 1;
      if (query.since !== undefined && stored.entry.at < query.since) return { hits, before: null, scanned };
      if (fits(query, stored) && (needle === '' || holds(stored, needle))) hits.push(stored);
      if (hits.length >= limits.hits_max) return { hits, before: stored.index === 0 ? null : stored.index, scanned };
    }
    end = start;
  }
  return { hits, before: end === 0 ? null : end, scanned };
}

function fits(query: SearchQuery, { entry }: StoredEntry): boolean {
  return (
    is(query.session, entry.session) &&
    is(query.principal, entry.principal) &&
    is(query.target, entry.target) &&
    is(query.kind, entry.kind) &&
    is(query.verb, entry.verb) &&
    is(query.verdict, entry.verdict) &&
    (query.rule === undefined || entry.rules.includes(query.rule)) &&
    (query.resource === undefined ||
      entry.resources.some((id) => id === query.resource || id.startsWith(`${query.resource}.`))) &&
    (query.until === undefined || entry.at <= query.until)
  );
}

function is(wanted: string | undefined, value: string | null): boolean {
  return wanted === undefined || wanted === value;
}

function holds({ sealed }: StoredEntry, needle: string): boolean {
  if (sealed === null) return false;
  return Object.values(sealed).some((value) =>
    (typeof value === 'string' ? value : JSON.stringify(value)).toLowerCase().includes(needle),
  );
}

const PAGE_ENTRIES = 256;
