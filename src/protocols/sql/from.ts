import { typeName } from './expressions.ts';
import { touchFunction } from './functions.ts';
import {
  findCte,
  type Item,
  itemOutput,
  type Lineage,
  newScope,
  outputItem,
  relationItem,
  type Scope,
  union,
} from './lineage.ts';
import type { RelationName } from './names.ts';
import { type Fields, fieldsOf, listOf, NotUnderstood, nameParts, type Opened, required, text } from './nodes.ts';
import { JOIN, VALUE, type Walk } from './walk.ts';

/** Adds what FROM names to the scope, and the touches of reading it to the tally. */
export function fromItem(walk: Walk, node: unknown, scope: Scope): void {
  const found = required(node);
  walk.deeper(() => add(walk, found, scope));
}

function add(walk: Walk, { type, fields }: Opened, scope: Scope): void {
  switch (type) {
    case 'RangeVar':
      scope.items.push(relationOrCte(walk, fields, scope));
      return;
    case 'RangeSubselect': {
      const outer = fields.lateral === true ? scope : hiddenFrom(scope);
      const output = walk.query(required(fields.subquery), outer, scope.ctes, 'hidden');
      const { name, columns } = aliasOf(fields);
      scope.items.push(outputItem(output, name, columns));
      return;
    }
    case 'RangeFunction':
      rangeFunction(walk, fields, scope);
      return;
    case 'RangeTableFunc':
    case 'JsonTable': {
      const { alias, ...rest } = fields;
      const from = walk.expression({ [type]: rest }, scope, VALUE);
      scope.items.push(openItem(aliasOf({ alias }), from));
      return;
    }
    case 'RangeTableSample':
      fromItem(walk, fields.relation, scope);
      if (!SAMPLING.has(nameParts(fields.method).join('.'))) touchFunction(walk, nameParts(fields.method), []);
      for (const each of [...listOf(fields.args), fields.repeatable]) walk.expression(each, scope, VALUE);
      return;
    case 'JoinExpr':
      join(walk, fields, scope);
      return;
    default:
      throw new NotUnderstood(`FROM holds ${type}`);
  }
}

/** Items of the same level are not visible in a subquery without LATERAL. */
function hiddenFrom(scope: Scope): Scope {
  return newScope(scope.outer, scope.ctes);
}

function relationOrCte(walk: Walk, fields: Fields, scope: Scope): Item {
  const name = relationName(fields);
  const { name: alias, columns } = aliasOf(fields);
  if (name.schema === null) {
    const cte = findCte(scope.ctes, name.name);
    if (cte !== null) return outputItem(cte, alias ?? name.name, columns);
  }
  return readRelation(walk, name, alias, columns);
}

export function readRelation(walk: Walk, name: RelationName, alias: string | null, columns: readonly string[]): Item {
  const relation = walk.names.relation(name, 'sql.read');
  if (relation !== null) return relationItem(relation, alias, columns);
  return outputItem({ columns: [], open: true }, alias ?? name.name, columns);
}

export function relationName(fields: Fields): RelationName {
  const name = text(fields.relname);
  if (name === null) throw new NotUnderstood('a relation has no name');
  return { schema: text(fields.schemaname), name };
}

export function aliasOf(fields: Fields): { readonly name: string | null; readonly columns: readonly string[] } {
  const alias = fieldsOf(fields.alias);
  if (alias === null) return { name: null, columns: [] };
  return { name: text(alias.aliasname), columns: nameParts(alias.colnames) };
}

/** Its columns are those of its result type, which nobody looked up: any name may be one of them. */
function rangeFunction(walk: Walk, fields: Fields, scope: Scope): void {
  const found: Lineage[] = [];
  const columns: string[] = [];
  let calledName: string | null = null;
  const definitions = [...listOf(fields.coldeflist)];
  for (const each of listOf(fields.functions)) {
    const [call, defined] = listOf(required(each).fields.items);
    found.push(walk.expression(call, scope, VALUE));
    const { type, fields: callFields } = required(call);
    if (type === 'FuncCall') calledName ??= nameParts(callFields.funcname).at(-1) ?? null;
    if (defined !== undefined && Object.keys(fieldsOf(defined) ?? {}).length > 0) {
      definitions.push(...listOf(required(defined).fields.items));
    }
  }
  for (const definition of definitions) {
    const { fields: column } = required(definition);
    const type = fieldsOf(column.typeName);
    if (type !== null) typeName(walk, type);
    const name = text(column.colname);
    if (name !== null) columns.push(name);
  }
  const alias = aliasOf(fields);
  const from = union(found);
  // A scalar result's one column has the name of the alias, else of the function.
  const own = alias.name ?? calledName;
  const item = openItem({ name: own, columns: [...alias.columns, ...columns, ...(own === null ? [] : [own])] }, from);
  scope.items.push(item);
}

function openItem(alias: { readonly name: string | null; readonly columns: readonly string[] }, from: Lineage): Item {
  const output = { columns: alias.columns.map((name) => ({ name, from })), open: true };
  return { ...outputItem(output, alias.name, []), everything: from };
}

function join(walk: Walk, fields: Fields, scope: Scope): void {
  const before = scope.items.length;
  fromItem(walk, fields.larg, scope);
  const between = scope.items.length;
  fromItem(walk, fields.rarg, scope);
  const left = scope.items.slice(before, between);
  const right = scope.items.slice(between);
  const using = nameParts(fields.usingClause);
  if (fields.isNatural === true) natural(walk, left, right, scope);
  for (const name of using) mergeColumn(walk, [...left, ...right], name, scope);
  if (using.length > 0 || fields.isNatural === true) walk.names.operator(['=']);
  walk.expression(fields.quals, scope, JOIN);
  const alias = aliasOf(fields);
  const usingAlias = fieldsOf(fields.join_using_alias);
  if (alias.name !== null) addJoined([...left, ...right], alias.name, alias.columns, scope);
  if (usingAlias !== null) addJoined([...left, ...right], text(usingAlias.aliasname), [], scope);
}

/** `(a JOIN b) AS j (x, y)`: added beside what it hides, so that nothing is lost. */
function addJoined(items: readonly Item[], name: string | null, columns: readonly string[], scope: Scope): void {
  const outputs = items.map(itemOutput);
  const output = { columns: outputs.flatMap((each) => each.columns), open: outputs.some((each) => each.open) };
  // After USING and NATURAL the merged columns come first, so positions are not those of the items.
  const everything = union(output.columns.map((column) => column.from));
  const again = columns.map((column) => ({ name: column, from: everything }));
  scope.items.push(outputItem({ columns: [...output.columns, ...again], open: output.open }, name, []));
}

function natural(walk: Walk, left: readonly Item[], right: readonly Item[], scope: Scope): void {
  const names = new Set(left.flatMap((item) => [...item.columns.keys()]));
  const leftOpen = left.some((item) => item.open);
  const rightOpen = right.some((item) => item.open);
  for (const item of right) {
    for (const name of item.columns.keys()) {
      if (names.has(name) || leftOpen) mergeColumn(walk, [...left, ...right], name, scope);
    }
  }
  if (rightOpen) for (const name of names) mergeColumn(walk, [...left, ...right], name, scope);
}

function mergeColumn(walk: Walk, items: readonly Item[], name: string, scope: Scope): void {
  scope.merged.add(name);
  for (const item of items) {
    const column = item.columns.get(name);
    if (column !== undefined) walk.tally.compare(column, 'join');
    else if (item.open) walk.tally.compare(item.everything, 'join');
  }
}

/** The sampling methods of pg_catalog (manual, TABLESAMPLE); others are extensions. */
const SAMPLING: ReadonlySet<string> = new Set(['system', 'bernoulli', 'pg_catalog.system', 'pg_catalog.bernoulli']);
