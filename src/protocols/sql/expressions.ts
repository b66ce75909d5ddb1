import type { Comparison } from '../../core/action.ts';
import { functionCall } from './functions.ts';
import { newerSyntax } from './grammar-versions.ts';
import { findColumn, findQualified, itemsNamed, type Lineage, NOTHING, type Scope, union } from './lineage.ts';
import {
  children,
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
import { GROUP, JOIN, ORDER, type Place, VALUE, type Walk } from './walk.ts';

/** Every column that the value of an expression may depend on; their uses and all effects go into the tally. */
export function expression(walk: Walk, node: unknown, scope: Scope, place: Place): Lineage {
  const found = opened(node);
  if (found === null) return NOTHING;
  return walk.deeper(() => known(walk, found, scope, place));
}

function known(walk: Walk, { type, fields }: Opened, scope: Scope, place: Place): Lineage {
  const newer = newerSyntax(type, fields);
  if (newer !== null && walk.names.catalogue.serverVersion < newer.since * 10_000) olderReading(walk, newer.name);
  switch (type) {
    case 'A_Const':
      if (!place.fixed) freeLiteral(walk, fields);
      return NOTHING;
    case 'ColumnRef': {
      const from = columnReference(walk, fields, scope);
      walk.tally.compare(from, place.comparison);
      return from;
    }
    case 'A_Expr':
      return operatorExpression(walk, fields, scope, place);
    case 'BoolExpr': {
      const inner = fields.boolop === 'AND_EXPR' ? place : { ...place, lookup: false };
      return union(listOf(fields.args).map((each) => walk.expression(each, scope, inner)));
    }
    case 'NullTest':
    case 'BooleanTest':
      return walk.expression(fields.arg, scope, { ...place, lookup: false });
    case 'SubLink':
      return subLink(walk, fields, scope, place);
    case 'FuncCall':
      return functionCall(walk, fields, scope, place);
    case 'TypeCast':
      return typeCast(walk, fields, scope, place);
    case 'TypeName':
      typeName(walk, fields);
      return NOTHING;
    case 'A_Indirection':
      return indirection(walk, fields, scope, place);
    case 'SortBy':
      if (listOf(fields.useOp).length > 0) walk.names.operator(nameParts(fields.useOp));
      return walk.expression(fields.node, scope, place.comparison === 'function' ? { ...ORDER, fixed: false } : place);
    case 'WindowDef':
      return windowDefinition(walk, fields, scope);
    case 'CollateClause':
      return walk.expression(fields.arg, scope, { ...place, lookup: false });
    case 'JsonArrayQueryConstructor': {
      const output = walk.query(required(fields.query), scope, scope.ctes, 'hidden');
      return union(output.columns.map((column) => column.from));
    }
    case 'GroupingSet':
    case 'GroupingFunc':
      return all(walk, { type, fields }, scope, { ...GROUP, fixed: place.fixed });
    default:
      if (LEAVES.has(type)) return NOTHING;
      if (!PARTS.has(type)) throw new NotUnderstood(`an expression holds ${type}`);
      return all(walk, { type, fields }, scope, { ...VALUE, fixed: place.fixed });
  }
}

/** An older server takes it for a function of somebody's, or for a column. */
function olderReading(walk: Walk, name: string): void {
  const functions = walk.names.candidates([name]);
  walk.names.runs(functions.map((each) => each.oid));
  if (functions.length === 0) walk.tally.unknownColumn(name);
}

function all(walk: Walk, { type, fields }: Opened, scope: Scope, place: Place): Lineage {
  return union(children(type, fields).map((child) => walk.expression({ [child.type]: child.fields }, scope, place)));
}

function freeLiteral(walk: Walk, fields: Fields): void {
  const location = fields.location;
  if (typeof location === 'number') walk.tally.freeLiterals.add(location);
}

/** What a column reference, star or whole row stands for. */
export function columnReference(walk: Walk, fields: Fields, scope: Scope): Lineage {
  const parts = listOf(fields.fields).map(required);
  const names = parts.map((part) => text(part.fields.sval) ?? '');
  const star = parts.at(-1)?.type === 'A_Star';
  if (star) {
    const qualifier = names.at(-2);
    const items = qualifier === undefined ? scope.items : itemsNamed(scope, qualifier);
    return union(items.map((item) => item.everything));
  }
  const name = names.at(-1) ?? '';
  const qualifier = names.at(-2);
  if (qualifier === undefined) {
    const found = findColumn(scope, name);
    const output = scope.output.columns.filter((column) => column.name === name).map((column) => column.from);
    if (!found.known && output.length === 0) walk.tally.unknownColumn(name);
    return union([found.from, ...output]);
  }
  const found = findQualified(scope, qualifier, name);
  // `row.name` calls name(row) where the row has no such column (manual, 8.16.5).
  if (found.call) columnNotation(walk, name);
  return found.from;
}

function columnNotation(walk: Walk, name: string): void {
  const functions = walk.names.candidates([name]);
  if (functions.length === 0) walk.tally.unknownColumn(name);
  walk.names.runs(functions.map((each) => each.oid));
}

function operatorExpression(walk: Walk, fields: Fields, scope: Scope, place: Place): Lineage {
  const kind = text(fields.kind) ?? '';
  const parts = nameParts(fields.name);
  const operator = parts.at(-1) ?? '';
  if (!SPELLED.has(kind)) walk.names.operator(parts);
  else for (const name of SPELLED.get(kind) ?? []) walk.names.operator([name]);
  const left = opened(fields.lexpr);
  const right = opened(fields.rexpr);
  if (!place.condition) {
    return union(
      [fields.lexpr, fields.rexpr].map((side) => walk.expression(side, scope, { ...VALUE, fixed: place.fixed })),
    );
  }
  const comparison = comparisonOf(kind, operator, left, right, place);
  const side: Place = { ...VALUE, comparison, fixed: place.fixed };
  const operands = [fields.lexpr, fields.rexpr].map((operand) => operandOf(walk, operand, scope, side));
  return union(operands);
}

/** A bare column is compared for what the operator does; what is inside anything else goes through an expression. */
function operandOf(walk: Walk, operand: unknown, scope: Scope, place: Place): Lineage {
  const found = opened(operand);
  if (found === null) return NOTHING;
  if (found.type === 'ColumnRef') return walk.expression(operand, scope, place);
  if (found.type === 'List') {
    return union(listOf(found.fields.items).map((item) => operandOf(walk, item, scope, place)));
  }
  return walk.expression(operand, scope, { ...VALUE, fixed: place.fixed });
}

function comparisonOf(
  kind: string,
  operator: string,
  left: Opened | null,
  right: Opened | null,
  place: Place,
): Comparison {
  if (PATTERN_KINDS.has(kind) || PATTERN_OPERATORS.has(operator)) return 'pattern';
  if (kind === 'AEXPR_OP' && operator === '=') {
    if (left?.type === 'ColumnRef' && right?.type === 'ColumnRef') return 'join';
    if (place.lookup && isConstant(left) !== isConstant(right)) return 'lookup';
    return 'range';
  }
  if (RANGE_KINDS.has(kind) || RANGE_OPERATORS.has(operator)) return 'range';
  return 'function';
}

/** One literal or parameter, possibly cast. */
function isConstant(node: Opened | null): boolean {
  if (node === null) return false;
  if (node.type === 'TypeCast') return isConstant(opened(node.fields.arg));
  return node.type === 'A_Const' || node.type === 'ParamRef';
}

function subLink(walk: Walk, fields: Fields, scope: Scope, place: Place): Lineage {
  const type = text(fields.subLinkType) ?? '';
  if (listOf(fields.operName).length > 0) walk.names.operator(nameParts(fields.operName));
  else if (type === 'ANY_SUBLINK') walk.names.operator(['=']);
  const compares = type === 'ANY_SUBLINK' || type === 'ALL_SUBLINK' || type === 'ROWCOMPARE_SUBLINK';
  const role = type === 'EXISTS_SUBLINK' ? 'exists' : compares ? 'join' : 'hidden';
  const test = operandOf(walk, fields.testexpr, scope, { ...(place.condition ? JOIN : VALUE), fixed: place.fixed });
  const output = walk.query(required(fields.subselect), scope, scope.ctes, role);
  return union([test, ...output.columns.map((column) => column.from)]);
}

function typeCast(walk: Walk, fields: Fields, scope: Scope, place: Place): Lineage {
  const type = fieldsOf(fields.typeName);
  if (type === null) throw new NotUnderstood('a cast has no type');
  typeName(walk, type);
  // `'x'::regclass` looks a name up; the value says which.
  const fixed = place.fixed || (nameParts(type.names).at(-1) ?? '').startsWith('reg');
  return walk.expression(fields.arg, scope, { ...VALUE, fixed });
}

export function typeName(walk: Walk, fields: Fields): void {
  const parts = nameParts(fields.names);
  // `%TYPE` names a column, whose type is what it is.
  if (fields.pct_type === true || parts.length === 0) return;
  if (!walk.names.type(parts)) walk.names.unknownFunction(parts);
}

/** `(x).field`, `(x).*`, `x[1]`: a field may also be a function called on the value. */
function indirection(walk: Walk, fields: Fields, scope: Scope, place: Place): Lineage {
  const from = walk.expression(fields.arg, scope, { ...VALUE, fixed: place.fixed });
  for (const part of listOf(fields.indirection).map(required)) {
    if (part.type === 'String') {
      const name = text(part.fields.sval) ?? '';
      walk.names.runs(walk.names.candidates([name]).map((each) => each.oid));
    } else if (part.type === 'A_Indices') {
      walk.expression(part.fields.lidx, scope, { ...VALUE, fixed: place.fixed });
      walk.expression(part.fields.uidx, scope, { ...VALUE, fixed: place.fixed });
    }
  }
  return from;
}

export function windowDefinition(walk: Walk, fields: Fields, scope: Scope): Lineage {
  const partition = listOf(fields.partitionClause).map((each) =>
    walk.expression(each, scope, { ...GROUP, fixed: false }),
  );
  const order = listOf(fields.orderClause).map((each) => walk.expression(each, scope, { ...ORDER, fixed: false }));
  const frame = [fields.startOffset, fields.endOffset].map((each) => walk.expression(each, scope, VALUE));
  return union([...partition, ...order, ...frame]);
}

/** Nodes that hold nothing to walk: names are resolved where they stand. */
const LEAVES: ReadonlySet<string> = new Set([
  'String', 'Integer', 'Float', 'Boolean', 'BitString', 'A_Star', 'ParamRef', 'SetToDefault', 'SQLValueFunction',
  'CurrentOfExpr', 'MergeSupportFunc', 'JsonFormat', 'Alias', 'CaseTestExpr',
]); // biome-ignore format: a list

/** Nodes that are the sum of their parts, and have no effect of their own. */
const PARTS: ReadonlySet<string> = new Set([
  'List', 'ResTarget', 'CaseExpr', 'CaseWhen', 'CoalesceExpr', 'MinMaxExpr', 'A_ArrayExpr', 'RowExpr', 'NamedArgExpr',
  'MultiAssignRef', 'XmlExpr', 'XmlSerialize', 'A_Indices', 'JsonValueExpr', 'JsonReturning', 'JsonOutput',
  'JsonBehavior', 'JsonArgument', 'JsonFuncExpr', 'JsonTablePathSpec', 'JsonTable', 'JsonTableColumn', 'JsonKeyValue',
  'JsonParseExpr', 'JsonScalarExpr', 'JsonSerializeExpr', 'JsonObjectConstructor', 'JsonArrayConstructor',
  'JsonAggConstructor', 'JsonObjectAgg', 'JsonArrayAgg', 'JsonIsPredicate', 'RangeTableFunc', 'RangeTableFuncCol',
  'IndexElem', 'InferClause',
]); // biome-ignore format: a list

/** Constructs that the grammar writes with an operator's place for a keyword, and the operators they stand for. */
const SPELLED: ReadonlyMap<string, readonly string[]> = new Map([
  ['AEXPR_BETWEEN', ['>=', '<=']],
  ['AEXPR_NOT_BETWEEN', ['<', '>']],
  ['AEXPR_BETWEEN_SYM', ['>=', '<=']],
  ['AEXPR_NOT_BETWEEN_SYM', ['<', '>']],
]);
const PATTERN_KINDS: ReadonlySet<string> = new Set(['AEXPR_LIKE', 'AEXPR_ILIKE', 'AEXPR_SIMILAR']);
const PATTERN_OPERATORS: ReadonlySet<string> = new Set('~ ~* !~ !~* ~~ ~~* !~~ !~~* ^@ @@ @@@ % <% %>'.split(' '));
const RANGE_KINDS: ReadonlySet<string> = new Set([
  'AEXPR_BETWEEN', 'AEXPR_NOT_BETWEEN', 'AEXPR_BETWEEN_SYM', 'AEXPR_NOT_BETWEEN_SYM', 'AEXPR_IN', 'AEXPR_OP_ANY',
  'AEXPR_OP_ALL', 'AEXPR_DISTINCT', 'AEXPR_NOT_DISTINCT',
]); // biome-ignore format: a list
const RANGE_OPERATORS: ReadonlySet<string> = new Set('= < > <= >= <> != <=> && @> <@'.split(' '));
