import type { PolicyAction } from '../../core/action.ts';
import { relationName } from './from.ts';
import { literal } from './functions.ts';
import { newScope, type Output, relationItem } from './lineage.ts';
import { type Fields, fieldsOf, listOf, type Opened, opened, required, text } from './nodes.ts';
import { HARMLESS_SETTINGS, harmlessSetting, JUSTIFICATION_SETTING, PATH_SETTING } from './settings.ts';
import { CONDITION, type Role, VALUE, type Walk } from './walk.ts';

/** `COPY`: rows in or out of a relation or query, from or to the client, a file of the server or a program there. */
export function copy(walk: Walk, fields: Fields): void {
  const into = fields.is_from === true;
  if (fields.is_program === true || text(fields.filename) !== null) {
    walk.tally.findings.add(fields.is_program === true ? 'COPY runs a program' : 'COPY uses a file of the server');
    walk.tally.touchTarget('sql.administer');
  }
  const query = opened(fields.query);
  if (query !== null) {
    for (const { from } of walk.query(query, null, null, 'hidden').columns) walk.tally.compute(from);
    return;
  }
  const range = fieldsOf(fields.relation);
  if (range === null) return;
  const relation = walk.names.relation(relationName(range), into ? 'sql.write' : 'sql.read');
  if (relation === null) return;
  const item = relationItem(relation, null, []);
  const scope = newScope(null, null);
  scope.items.push(item);
  const named = listOf(fields.attlist).map((each) => text(required(each).fields.sval) ?? '');
  for (const name of named.length === 0 ? [...item.columns.keys()] : named) {
    const column = item.columns.get(name);
    if (column === undefined) walk.tally.unknownColumn(name);
    else if (into) walk.tally.assign(column);
    else walk.tally.compute(column);
  }
  walk.expression(fields.whereClause, scope, CONDITION);
}

/** `EXPLAIN` plans, which may run functions; `ANALYZE` runs the statement (manual, EXPLAIN). */
export function explain(walk: Walk, fields: Fields): void {
  const analyze = listOf(fields.options).some((option) => {
    const { fields: element } = required(option);
    return text(element.defname) === 'analyze' && !isFalse(element.arg);
  });
  const before = walk.tally.planning;
  if (!analyze) walk.tally.planning = true;
  try {
    inner(walk, required(fields.query), 'hidden');
  } finally {
    walk.tally.planning = before;
  }
}

/** A statement inside another one. */
export function inner(walk: Walk, node: Opened, role: Role): Output | null {
  if (QUERIES.has(node.type)) return walk.query(node, null, null, role);
  walk.statement(node);
  return null;
}

function isFalse(node: unknown): boolean {
  const found = opened(node);
  if (found === null) return false;
  const value = found.fields.sval ?? found.fields.boolval ?? found.fields.ival ?? false;
  if (found.type === 'Integer') return value === 0 || value === false;
  return typeof value === 'string' ? FALSE.has(value.toLowerCase()) : value === false;
}

export function setVariable(walk: Walk, fields: Fields): void {
  const { tally } = walk;
  const kind = text(fields.kind) ?? '';
  const name = (text(fields.name) ?? '').toLowerCase();
  const args = listOf(fields.args);
  if (name === JUSTIFICATION_SETTING) {
    tally.justification = kind === 'VAR_SET_VALUE' ? args.map((arg) => literal(arg) ?? '').join(', ') : '';
    tally.touchTarget('sql.read');
    return;
  }
  // What is harmless with any value is no part of the state that changes the meaning of a text.
  if (!HARMLESS_SETTINGS.has(name)) tally.changesState = true;
  if (kind === 'VAR_RESET_ALL') {
    // To what the session began with, which the gateway chose; neither role nor session user is among it (guc.c).
    tally.touchTarget('sql.read');
    return;
  }
  if (name === PATH_SETTING) tally.searchPath = kind === 'VAR_SET_VALUE' ? listedPath(args) : null;
  if (kind === 'VAR_SET_MULTI') {
    // SET TRANSACTION, SET SESSION CHARACTERISTICS; a snapshot's name is no danger by itself.
    tally.touchTarget(options(args) ? 'sql.read' : 'sql.administer');
    return;
  }
  // RESET and SET … TO DEFAULT give a value that the text does not show.
  const value = kind === 'VAR_SET_VALUE' && args.length === 1 ? settingValue(args[0]) : null;
  tally.touchTarget(harmlessSetting(name, value) ? 'sql.read' : 'sql.administer');
}

/** `$user` is a role's name that the text does not say. */
function listedPath(args: readonly unknown[]): readonly string[] | null {
  const schemas = args.flatMap((arg) => settingValue(arg) ?? USER_SCHEMA);
  return schemas.includes(USER_SCHEMA) ? null : schemas;
}

/** Transaction modes: all harmless but leaving read-only. */
export function options(args: readonly unknown[]): boolean {
  return args.every((arg) => {
    const { fields } = required(arg);
    const name = text(fields.defname) ?? '';
    return (
      name === 'transaction_snapshot' || opened(fields.arg) === null || harmlessSetting(name, settingValue(fields.arg))
    );
  });
}

/** A setting's value as text: strings, words and numbers come in different nodes. */
function settingValue(node: unknown): string | null {
  const found = opened(node);
  if (found === null) return null;
  if (found.type === 'TypeCast') return settingValue(found.fields.arg);
  if (found.type === 'String') return text(found.fields.sval) ?? '';
  if (found.type !== 'A_Const') return null;
  const string = fieldsOf(found.fields.sval);
  if (string !== null) return text(string.sval) ?? '';
  const integer = fieldsOf(found.fields.ival);
  if (integer !== null) return String(integer.ival ?? 0);
  const boolean = fieldsOf(found.fields.boolval);
  return boolean === null ? null : String(boolean.boolval ?? false);
}

/** `LOCK TABLE`: ACCESS SHARE is what every SELECT takes; the others stop writers. */
export function lock(walk: Walk, fields: Fields): void {
  const action: PolicyAction = fields.mode === ACCESS_SHARE ? 'sql.read' : 'sql.write';
  for (const each of listOf(fields.relations)) walk.names.relation(relationName(required(each).fields), action);
}

/** Arguments of EXECUTE, CALL and the like. */
export function argumentsOf(walk: Walk, args: readonly unknown[]): void {
  for (const arg of args) walk.expression(arg, newScope(null, null), { ...VALUE, fixed: true });
}

const USER_SCHEMA = '$user';
/** AccessShareLock in lockdefs.h. */
const ACCESS_SHARE = 1;
const FALSE: ReadonlySet<string> = new Set(['false', 'off', 'no', '0']);
const QUERIES: ReadonlySet<string> = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']);
