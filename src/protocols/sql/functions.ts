import { type Lineage, type Scope, union } from './lineage.ts';
import { CATALOG_SCHEMA, type RelationName } from './names.ts';
import { type Fields, fieldsOf, listOf, nameParts, type Opened, opened, text } from './nodes.ts';
import { harmlessSetting, PATH_SETTING } from './settings.ts';
import { ADMINISTERS, SEQUENCE_READS, SEQUENCE_WRITES, SHOWS_EVERYTHING, TAKES_SQL } from './special.ts';
import { CONDITION, ORDER, type Place, VALUE, type Walk } from './walk.ts';

/** A call: what it may run, what of its arguments it sees. */
export function functionCall(walk: Walk, fields: Fields, scope: Scope, place: Place): Lineage {
  const parts = nameParts(fields.funcname);
  const fixed = touchFunction(walk, parts, listOf(fields.args)) || place.fixed;
  const inner: Place = { ...VALUE, fixed };
  const found: Lineage[] = listOf(fields.args).map((each) => walk.expression(each, scope, inner));
  for (const each of listOf(fields.agg_order)) found.push(walk.expression(each, scope, { ...ORDER, fixed }));
  found.push(walk.expression(fields.agg_filter, scope, { ...CONDITION, fixed }));
  const over = fieldsOf(fields.over);
  if (over !== null) found.push(walk.expression({ WindowDef: over }, scope, inner));
  return union(found);
}

/** Touches what a call of that name may run; true when the values of its arguments matter for what it does. */
export function touchFunction(walk: Walk, parts: readonly string[], args: readonly unknown[]): boolean {
  const name = parts.at(-1) ?? '';
  const functions = walk.names.candidates(parts);
  for (const each of functions) walk.tally.functions.add(`${each.schema}.${each.name}`);
  if (functions.length === 0) walk.tally.functions.add(parts.join('.'));
  const special = specialCall(walk, parts, args);
  if (special !== null) return special;
  // `type(value)` is a cast where no function has that name (manual, 4.2.9).
  if (functions.length === 0 && !(args.length === 1 && walk.names.type(parts))) walk.names.unknownFunction(parts);
  let fixed = functions.length === 0;
  for (const each of functions) {
    if (each.harmless) continue;
    fixed = true;
    const builtIn = each.schema === CATALOG_SCHEMA;
    walk.tally.touch(builtIn && ADMINISTERS.has(name) ? 'sql.administer' : 'sql.execute', each.resource);
    walk.tally.changesState = true;
  }
  return fixed;
}

/** Calls whose meaning lies in their arguments. `null`: an ordinary one. */
function specialCall(walk: Walk, parts: readonly string[], args: readonly unknown[]): boolean | null {
  const name = parts.at(-1) ?? '';
  // Whatever schema they lie in: extensions put them where they like.
  if (TAKES_SQL.has(name)) {
    walk.tally.opaque(`${name} runs SQL that it is given as text, or reads relations that it is given by name`);
    return null;
  }
  if (SHOWS_EVERYTHING.has(name)) walk.names.showsEverything(name);
  if (parts.length > 1 && parts.at(-2) !== CATALOG_SCHEMA) return null;
  if (parts.length === 1 && walk.names.candidates(parts).some((each) => each.schema !== CATALOG_SCHEMA)) return null;
  if (name === 'set_config') return setConfig(walk, args);
  if (SEQUENCE_WRITES.has(name)) return sequenceCall(walk, args, 'sql.write');
  if (SEQUENCE_READS.has(name)) return sequenceCall(walk, args, 'sql.read');
  return null;
}

function setConfig(walk: Walk, args: readonly unknown[]): boolean | null {
  const setting = literal(args[0]);
  const value = literal(args[1]);
  walk.tally.changesState = true;
  walk.tally.searchPath = null;
  // Whatever a parameter holds, the server is asked what names mean before the next decision.
  if (setting?.toLowerCase() === PATH_SETTING && (value !== null || opened(args[1])?.type === 'ParamRef')) return true;
  if (value === null) return null;
  // pg_dump takes the name from pg_settings, to try whether it exists. No setting that matters takes this value.
  if (setting === null) return value === PG_DUMP_VALUE ? true : null;
  return harmlessSetting(setting, value) ? true : null;
}

/** For restrict_nonsystem_relation_kind (pg_dump.c, setupDumpWorker). */
const PG_DUMP_VALUE = 'view, foreign-table';

/** `nextval('name')`: the sequence is a relation like any other. */
function sequenceCall(walk: Walk, args: readonly unknown[], action: 'sql.read' | 'sql.write'): boolean | null {
  const name = literal(args[0]);
  const relation = name === null ? null : relationNameOf(name);
  if (relation === null) return null;
  walk.names.relation(relation, action);
  return true;
}

/** A string literal, possibly cast. */
export function literal(node: unknown): string | null {
  let at: Opened | null = opened(node);
  while (at?.type === 'TypeCast') at = opened(at.fields.arg);
  if (at?.type !== 'A_Const') return null;
  const value = fieldsOf(at.fields.sval);
  return value === null ? null : (text(value.sval) ?? '');
}

/** What regclass reads (stringToQualifiedNameList): names folded, quoted ones as they are; nothing more exotic. */
export function relationNameOf(name: string): RelationName | null {
  const match = /^(?:("(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_$]*)\.)?("(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_$]*)$/.exec(name);
  const last = match?.[2];
  if (last === undefined) return null;
  const fold = (part: string): string =>
    part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part.toLowerCase();
  return { schema: match?.[1] === undefined ? null : fold(match[1]), name: fold(last) };
}
