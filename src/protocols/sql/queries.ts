import { columnReference } from './expressions.ts';
import { fromItem, relationName } from './from.ts';
import {
  type Ctes,
  findColumn,
  findQualified,
  itemOutput,
  itemsNamed,
  type Lineage,
  merged,
  NO_OUTPUT,
  NOTHING,
  newScope,
  type Output,
  type OutputColumn,
  renamed,
  type Scope,
  union,
} from './lineage.ts';
import {
  type Fields,
  fieldsOf,
  listOf,
  NotUnderstood,
  nameParts,
  type Opened,
  opened,
  required,
  text,
} from './nodes.ts';
import { CONDITION, GROUP, LOOKUP, ORDER, type Role, VALUE, type Walk } from './walk.ts';

/** A SELECT, VALUES or set operation: what it puts out. */
export function select(walk: Walk, fields: Fields, outer: Scope | null, ctes: Ctes | null, role: Role): Output {
  const visible = withClause(walk, fields, outer, ctes);
  const scope = newScope(outer, visible);
  const into = fieldsOf(fieldsOf(fields.intoClause)?.rel);
  if (into !== null) {
    walk.names.created(relationName(into), into.relpersistence === 't');
    walk.tally.changesCatalogue = true;
  }
  const effective = into === null ? role : 'assign';
  const setOperation = text(fields.op) ?? 'SETOP_NONE';
  const output =
    setOperation === 'SETOP_NONE' ? simple(walk, fields, scope, effective) : arms(walk, fields, scope, effective);
  scope.output = output;
  for (const each of listOf(fields.sortClause)) sortOrGroup(walk, each, scope, ORDER);
  walk.expression(fields.limitOffset, scope, VALUE);
  walk.expression(fields.limitCount, scope, VALUE);
  locking(walk, fields, scope);
  return output;
}

function simple(walk: Walk, fields: Fields, scope: Scope, role: Role): Output {
  const rows = listOf(fields.valuesLists);
  if (rows.length > 0) return values(walk, rows, scope, role);
  for (const item of listOf(fields.fromClause)) fromItem(walk, item, scope);
  const grouped = listOf(fields.groupClause).length > 0;
  const distinct = fields.distinctClause !== undefined;
  const output = outputList(walk, listOf(fields.targetList), scope, role);
  const lookup = role === 'reveal' && scope.outer === null && walk.alone && !grouped;
  walk.expression(fields.whereClause, scope, lookup ? LOOKUP : CONDITION);
  scope.output = output;
  for (const each of listOf(fields.groupClause)) sortOrGroup(walk, each, scope, GROUP);
  walk.expression(fields.havingClause, scope, CONDITION);
  for (const window of listOf(fields.windowClause)) walk.expression(window, scope, VALUE);
  if (distinct) for (const column of output.columns) walk.tally.compare(column.from, 'group');
  for (const each of listOf(fields.distinctClause)) {
    if (opened(each) !== null) sortOrGroup(walk, each, scope, GROUP);
  }
  return output;
}

/** A number stands for an output column (manual, 7.5). */
function sortOrGroup(walk: Walk, node: unknown, scope: Scope, place: typeof ORDER): void {
  const sorted = opened(node);
  const key = sorted?.type === 'SortBy' ? opened(sorted.fields.node) : sorted;
  if (key?.type === 'A_Const') {
    const position = fieldsOf(key.fields.ival)?.ival;
    const column = typeof position === 'number' ? scope.output.columns[position - 1] : undefined;
    const every = union(scope.output.columns.map((each) => each.from));
    walk.tally.compare(column === undefined || scope.output.open ? every : column.from, place.comparison);
  }
  walk.expression(node, scope, place);
}

function values(walk: Walk, rows: readonly unknown[], scope: Scope, role: Role): Output {
  const columns: Lineage[] = [];
  for (const row of rows) {
    listOf(required(row).fields.items).forEach((cell, position) => {
      const from = walk.expression(cell, scope, VALUE);
      columns[position] = union([columns[position] ?? NOTHING, from]);
    });
  }
  const output = columns.map((from, position) => ({ name: `column${position + 1}`, from }));
  settle(walk, output, role);
  return { columns: output, open: false };
}

/** The columns of the arms decide, and come back without origin. */
function arms(walk: Walk, fields: Fields, scope: Scope, role: Role): Output {
  const inner: Role = role === 'exists' ? 'exists' : role === 'assign' ? 'assign' : 'hidden';
  const [left, right] = [fields.larg, fields.rarg].map((arm) => {
    const armFields = fieldsOf(arm);
    if (armFields === null) throw new NotUnderstood('a set operation lacks an arm');
    return walk.query({ type: 'SelectStmt', fields: armFields }, scope.outer, scope.ctes, inner);
  });
  const output = merged(left ?? NO_OUTPUT, right ?? NO_OUTPUT);
  for (const column of output.columns) walk.tally.compare(column.from, 'group');
  settle(walk, output.columns, role);
  return output;
}

/** An output list: plain columns of relations may be revealed, everything else is computed. */
export function outputList(walk: Walk, targets: readonly unknown[], scope: Scope, role: Role): Output {
  const columns: OutputColumn[] = [];
  let open = false;
  for (const target of targets) {
    const { fields } = required(target);
    const value = required(fields.val);
    const name = text(fields.name);
    const star = value.type === 'ColumnRef' ? starOf(value.fields, scope) : null;
    if (star !== null) {
      open ||= star.open;
      settleStar(walk, value.fields, scope, role);
      columns.push(...star.columns);
      continue;
    }
    const plain = value.type === 'ColumnRef' ? plainColumn(value.fields, scope) : null;
    if (plain !== null && role !== 'hidden' && role !== 'join') {
      settlePlain(walk, plain, role);
      columns.push({ name: name ?? lastName(value), from: plain, exact: true });
      continue;
    }
    const from =
      value.type === 'ColumnRef' ? bare(walk, value.fields, scope, role) : walk.expression(fields.val, scope, VALUE);
    const column = { name: name ?? lastName(value), from, exact: plain !== null };
    settle(walk, [column], role);
    columns.push(column);
    // `(x).*` puts out as many columns as its type has.
    if (value.type === 'A_Indirection' && listOf(value.fields.indirection).some(isStar)) open = true;
  }
  return { columns, open };
}

function bare(walk: Walk, fields: Fields, scope: Scope, role: Role): Lineage {
  const from = columnReference(walk, fields, scope);
  if (role === 'join') walk.tally.compare(from, 'join');
  return from;
}

function settlePlain(walk: Walk, from: Lineage, role: Role): void {
  if (role === 'reveal' && !walk.tally.planning) walk.tally.reveal(from);
  else if (role === 'assign') walk.tally.assign(from);
  else if (role !== 'exists') walk.tally.compare(from, 'function');
}

/** Output that is not a plain column of a relation. */
function settle(walk: Walk, columns: readonly OutputColumn[], role: Role): void {
  for (const { from } of columns) {
    if (role === 'exists') continue;
    if (role === 'assign') walk.tally.assign(from);
    if (role === 'reveal') walk.tally.compute(from);
    else walk.tally.compare(from, role === 'join' ? 'join' : 'function');
  }
}

function settleStar(walk: Walk, fields: Fields, scope: Scope, role: Role): void {
  const qualifier = listOf(fields.fields).length > 1 ? nameOfQualifier(fields) : null;
  const items = qualifier === null ? scope.items : itemsNamed(scope, qualifier);
  for (const item of items) {
    for (const { name, from } of item.ordered) {
      const plain = item.relation !== null && !(name !== null && scope.merged.has(name));
      if (plain && role !== 'hidden' && role !== 'join') settlePlain(walk, from, role);
      else settle(walk, [{ name, from }], role);
    }
  }
  if (qualifier !== null && items.length === 0) walk.tally.unknownColumn(`${qualifier}.*`);
}

function starOf(fields: Fields, scope: Scope): Output | null {
  const parts = listOf(fields.fields);
  if (!isStar(parts.at(-1))) return null;
  const items = parts.length > 1 ? itemsNamed(scope, nameOfQualifier(fields)) : scope.items;
  const outputs = items.map(itemOutput);
  // Merged columns come first and once, so positions are lost behind a join; names are not.
  const open = outputs.some((output) => output.open) || (scope.merged.size > 0 && items.length > 1);
  return { columns: outputs.flatMap((output) => output.columns), open };
}

function plainColumn(fields: Fields, scope: Scope): Lineage | null {
  const parts = listOf(fields.fields).map(required);
  const name = text(parts.at(-1)?.fields.sval) ?? '';
  const qualifier = parts.length > 1 ? nameOfQualifier(fields) : null;
  const found = qualifier === null ? findColumn(scope, name) : findQualified(scope, qualifier, name);
  if ('call' in found && found.call) return null;
  return found.plain && found.from.size > 0 ? found.from : null;
}

function nameOfQualifier(fields: Fields): string {
  return text(required(listOf(fields.fields).at(-2)).fields.sval) ?? '';
}

function isStar(node: unknown): boolean {
  return node !== undefined && required(node).type === 'A_Star';
}

/** The name FigureColname gives (parse_target.c), as far as it matters for finding the column again. */
function lastName({ type, fields }: Opened): string | null {
  switch (type) {
    case 'ColumnRef':
      return text(required(listOf(fields.fields).at(-1)).fields.sval);
    case 'FuncCall':
      return nameParts(fields.funcname).at(-1) ?? null;
    case 'TypeCast': {
      const inner = opened(fields.arg);
      const below = inner === null ? null : lastName(inner);
      return below ?? nameParts(fieldsOf(fields.typeName)?.names).at(-1) ?? null;
    }
    case 'A_Indirection': {
      const last = opened(listOf(fields.indirection).at(-1));
      if (last?.type === 'String') return text(last.fields.sval);
      const inner = opened(fields.arg);
      return inner === null ? null : lastName(inner);
    }
    case 'CollateClause': {
      const inner = opened(fields.arg);
      return inner === null ? null : lastName(inner);
    }
    default:
      return SPELLED_NAMES[type] ?? null;
  }
}

const SPELLED_NAMES: Readonly<Record<string, string>> = {
  CaseExpr: 'case',
  CoalesceExpr: 'coalesce',
  A_ArrayExpr: 'array',
  RowExpr: 'row',
};

function locking(walk: Walk, fields: Fields, scope: Scope): void {
  for (const clause of listOf(fields.lockingClause)) {
    const named = listOf(required(clause).fields.lockedRels).map((each) => relationName(required(each).fields).name);
    const relations = scope.items.filter(
      (item) => named.length === 0 || (item.name !== null && named.includes(item.name)),
    );
    for (const item of relations) {
      if (item.relation !== null) walk.names.touchRelation(item.relation, 'sql.write');
      // What stands in a subquery is locked as well (manual, SELECT, The Locking Clause).
      else walk.tally.touchTarget('sql.write');
    }
  }
}

/** A CTE sees the ones before it, with RECURSIVE all of them and itself (manual, SELECT, WITH Clause). */
export function withClause(walk: Walk, fields: Fields, outer: Scope | null, ctes: Ctes | null): Ctes | null {
  const clause = fieldsOf(fields.withClause);
  if (clause === null) return ctes;
  const bodies = listOf(clause.ctes).map((cte) => required(cte).fields);
  if (clause.recursive !== true) {
    return bodies.reduce<Ctes | null>((before, cte) => addCte(walk, cte, outer, before, before), ctes);
  }
  // Twice: first to learn what there is, then with that wherever a CTE names itself or another. Columns may change places
  // in each round of the recursion, so each may come from all.
  let visible = bodies.reduce<Ctes | null>((next, cte) => ({ name: cteName(cte), output: OPEN, next }), ctes);
  for (let round = 0; round < 2; round += 1) {
    const seen = visible;
    const learned = bodies.reduce<Ctes | null>((next, cte) => addCte(walk, cte, outer, seen, next), ctes);
    visible = flattened(learned, ctes);
  }
  return visible;
}

function flattened(learned: Ctes | null, end: Ctes | null): Ctes | null {
  const all: Ctes[] = [];
  for (let at = learned; at !== null && at !== end; at = at.next) all.unshift(at);
  const everything = union(all.flatMap((cte) => cte.output.columns.map((column) => column.from)));
  return all.reduce<Ctes | null>((next, { name, output }) => {
    const columns = output.columns.map((column) => ({ name: column.name, from: everything }));
    return { name, output: { columns, open: output.open }, next };
  }, end);
}

const OPEN: Output = { columns: [], open: true };

function addCte(walk: Walk, cte: Fields, outer: Scope | null, visible: Ctes | null, next: Ctes | null): Ctes {
  const output = renamed(walk.query(required(cte.ctequery), outer, visible, 'hidden'), nameParts(cte.aliascolnames));
  const added = [cte.search_clause, cte.cycle_clause].flatMap((each) => addedColumns(fieldsOf(each)));
  const from = union(output.columns.map((column) => column.from));
  const columns = [...output.columns, ...added.map((name) => ({ name, from }))];
  return { name: cteName(cte), output: { columns, open: output.open }, next };
}

function addedColumns(clause: Fields | null): readonly string[] {
  if (clause === null) return [];
  return ['search_seq_column', 'cycle_mark_column', 'cycle_path_column'].flatMap((field) => text(clause[field]) ?? []);
}

function cteName(cte: Fields): string {
  const name = text(cte.ctename);
  if (name === null) throw new NotUnderstood('a CTE has no name');
  return name;
}
