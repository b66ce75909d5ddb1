import type { Column, Relation } from './catalogue.ts';

/** The columns a value may come from. Only ever too many. */
export type Lineage = ReadonlySet<Column>;

export const NOTHING: Lineage = new Set();

export function union(lineages: Iterable<Lineage>): Lineage {
  let first: Lineage | null = null;
  let all: Set<Column> | null = null;
  for (const lineage of lineages) {
    if (lineage.size === 0) continue;
    if (first === null) first = lineage;
    else if (lineage !== first) {
      all ??= new Set(first);
      for (const column of lineage) all.add(column);
    }
  }
  return all ?? first ?? NOTHING;
}

/** What a query puts out: columns in order, as far as they are known. */
export interface Output {
  readonly columns: readonly OutputColumn[];
  /** More columns than these, with names nobody knows here. */
  readonly open: boolean;
}

export interface OutputColumn {
  readonly name: string | null;
  readonly from: Lineage;
  /** It is a relation's column as it is. */
  readonly exact?: boolean;
}

export const NO_OUTPUT: Output = { columns: [], open: false };

/** Something in FROM that names can refer to. */
export interface Item {
  /** Alias or relation name; `null` for a subquery without one. */
  readonly name: string | null;
  readonly columns: ReadonlyMap<string, Lineage>;
  /** The same in order, for aliases that go by position. */
  readonly ordered: readonly OutputColumn[];
  /** It may have columns that are not listed: a name may refer to it or to something further out. */
  readonly open: boolean;
  readonly everything: Lineage;
  /** A relation of the catalogue itself: its columns come back with their origin. */
  readonly relation: Relation | null;
}

/** One query level. */
export interface Scope {
  readonly items: Item[];
  readonly outer: Scope | null;
  readonly ctes: Ctes | null;
  /** Columns merged by USING or NATURAL: they may be computed (FULL JOIN), so they are never a plain reveal. */
  readonly merged: Set<string>;
  /** Output names, which ORDER BY and GROUP BY may refer to. */
  output: Output;
}

export interface Ctes {
  readonly name: string;
  readonly output: Output;
  readonly next: Ctes | null;
}

export function newScope(outer: Scope | null, ctes: Ctes | null): Scope {
  return { items: [], outer, ctes, merged: new Set(), output: NO_OUTPUT };
}

export function findCte(ctes: Ctes | null, name: string): Output | null {
  for (let at = ctes; at !== null; at = at.next) if (at.name === name) return at.output;
  return null;
}

export function relationItem(relation: Relation, alias: string | null, names: readonly string[]): Item {
  const ordered = [...relation.columns.values()].sort((one, other) => one.number - other.number);
  const output: Output = {
    columns: ordered.map((column) => ({ name: column.name, from: new Set([column]) })),
    open: false,
  };
  const item = outputItem(output, alias ?? relation.name, names);
  return { ...item, relation };
}

/** A derived table: alias column names stand for its columns in order (manual, 7.2.1.2). */
export function outputItem(output: Output, alias: string | null, names: readonly string[]): Item {
  const ordered = renamed(output, names).columns;
  const columns = new Map<string, Lineage>();
  for (const { name, from } of ordered) {
    if (name !== null) columns.set(name, union([columns.get(name) ?? NOTHING, from]));
  }
  const everything = union(ordered.map((column) => column.from));
  return { name: alias, columns, ordered, open: output.open, everything, relation: null };
}

/** Names by position. Where positions are not known, each name may stand for anything. */
export function renamed(output: Output, names: readonly string[]): Output {
  if (names.length === 0) return output;
  const everything = union(output.columns.map((column) => column.from));
  const columns = output.columns.map((column, position) => ({
    name: names[position] ?? column.name,
    from: column.from,
  }));
  if (!output.open && names.length <= columns.length) return { columns, open: false };
  return { columns: [...output.columns, ...names.map((name) => ({ name, from: everything }))], open: true };
}

export function itemOutput(item: Item): Output {
  return { columns: item.ordered, open: item.open };
}

/** The columns of every query level, added position by position: arms of a set operation. */
export function merged(one: Output, other: Output): Output {
  const longer = one.columns.length >= other.columns.length ? one : other;
  if (one.open || other.open) {
    const from = union([...one.columns, ...other.columns].map((column) => column.from));
    return { columns: longer.columns.map((column) => ({ name: column.name, from })), open: true };
  }
  return {
    columns: longer.columns.map((column, position) => ({
      name: one.columns[position]?.name ?? column.name,
      from: union([one.columns[position]?.from ?? NOTHING, other.columns[position]?.from ?? NOTHING]),
    })),
    open: false,
  };
}

/** What a name in a query may mean. */
export interface Found {
  readonly from: Lineage;
  /** Only columns of catalogue relations, so that the server reports their origin. */
  readonly plain: boolean;
  /** Something of that name exists. */
  readonly known: boolean;
}

/**
 * An unqualified name: a column of the innermost level that has one, else a whole row (manual, 4.2.1). A level with an
 * open item may have it or not, so the search goes on outwards and everything found counts.
 */
export function findColumn(scope: Scope, name: string): Found {
  const found: Lineage[] = [];
  let plain = true;
  let known = SYSTEM_COLUMNS.has(name);
  for (let at: Scope | null = scope; at !== null; at = at.outer) {
    let open = false;
    let here = false;
    for (const item of at.items) {
      const column = item.columns.get(name);
      if (column !== undefined) {
        found.push(column);
        here = true;
        plain &&= item.relation !== null;
      } else if (item.open) {
        open = true;
        if (item.everything.size > 0) {
          found.push(item.everything);
          plain = false;
        }
      }
    }
    known ||= here || open;
    if (at.merged.has(name)) plain = false;
    if (here && !open) return { from: union(found), plain: plain && at === scope, known };
    if (here) plain = false;
  }
  for (const item of itemsNamed(scope, name)) {
    found.push(item.everything);
    known = true;
    plain = false;
  }
  return { from: union(found), plain: plain && found.length > 0, known };
}

/** `qualifier.name`: a column of an item of that name, or a function called in column notation on its row. */
export function findQualified(scope: Scope, qualifier: string, name: string): Found & { readonly call: boolean } {
  const items = itemsNamed(scope, qualifier);
  const found: Lineage[] = [];
  let plain = items.length === 1;
  // A variable of a procedure may be a row as well.
  const variables = items.length === 0 ? unnamedOpenItems(scope) : [];
  found.push(...variables.map((item) => item.everything));
  let missing = items.length === 0 && variables.length === 0;
  for (const item of items) {
    const column = item.columns.get(name);
    if (column !== undefined) {
      found.push(column);
      plain &&= item.relation !== null && scope.items.includes(item);
    } else if (!SYSTEM_COLUMNS.has(name)) {
      found.push(item.everything);
      plain = false;
      missing ||= !item.open;
    }
  }
  return { from: union(found), plain, known: !missing, call: missing };
}

function unnamedOpenItems(scope: Scope): readonly Item[] {
  const found: Item[] = [];
  for (let at: Scope | null = scope; at !== null; at = at.outer) {
    found.push(...at.items.filter((item) => item.name === null && item.open));
  }
  return found;
}

export function itemsNamed(scope: Scope, name: string): readonly Item[] {
  const found: Item[] = [];
  for (let at: Scope | null = scope; at !== null; at = at.outer) {
    for (const item of at.items) if (item.name === name) found.push(item);
    if (found.length > 0) return found;
  }
  return found;
}

/** They tell where a row lies, not what it holds (manual, 5.6). */
export const SYSTEM_COLUMNS: ReadonlySet<string> = new Set(['tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid', 'oid']);
