import { newScope, outputItem, type Scope } from './lineage.ts';
import { type Fields, fieldsOf, isFields, listOf, NotUnderstood, nameParts, required, text } from './nodes.ts';
import { type ParseLimits, parse, parseProcedural } from './parse.ts';
import type { Walk } from './walk.ts';

/** `DO`: a body that runs now. */
export function doBlock(walk: Walk, fields: Fields, limits: ParseLimits): void {
  walk.tally.touchTarget('sql.execute');
  walk.tally.changesState = true;
  const options = definitions(fields.args);
  const language = stringOf(options.get('language')) ?? 'plpgsql';
  const body = stringOf(options.get('as'));
  if (body === null) throw new NotUnderstood('DO has no body');
  if (language.toLowerCase() !== 'plpgsql') {
    walk.tally.touchTarget('sql.administer');
    walk.tally.opaque(`DO runs a body in ${language}`);
    return;
  }
  resolved(walk, () => procedure(walk, `DO ${dollarQuoted(body)}`, limits));
}

/** `CREATE FUNCTION`: what its body would do counts as if it ran. */
export function functionBody(walk: Walk, fields: Fields, source: string, limits: ParseLimits): void {
  const options = definitions(fields.options);
  const sqlBody = fields.sql_body;
  if (sqlBody !== undefined) {
    resolved(walk, () => sqlStatements(walk, sqlBody));
    return;
  }
  const language = (stringOf(options.get('language')) ?? 'sql').toLowerCase();
  if (language === 'sql') {
    const body = stringOf(firstOf(options.get('as')));
    if (body === null) throw new NotUnderstood('a function has no body');
    resolved(walk, () => sqlText(walk, body, limits));
  } else if (language === 'plpgsql') {
    resolved(walk, () => procedure(walk, source, limits));
  } else {
    walk.tally.touchTarget('sql.administer');
    walk.tally.opaque(`a function in ${language} can do anything`);
  }
}

/** A body is looked at as a whole, its loops not being followed: once the path changes in it, every name may be another. */
function resolved(walk: Walk, body: () => void): void {
  const { tally } = walk;
  const before = tally.searchPath;
  tally.searchPath = undefined;
  body();
  if (tally.searchPath === undefined) {
    tally.searchPath = before;
  } else {
    tally.searchPath = null;
    tally.partial('a body changes the search path, so names in it may be others');
  }
}

function sqlText(walk: Walk, body: string, limits: ParseLimits): void {
  for (const { node } of parse(Buffer.from(body, 'utf8'), limits)) bodyStatement(walk, { [node.type]: node.fields });
}

/** `BEGIN ATOMIC … END` and `RETURN expression`: trees already. */
function sqlStatements(walk: Walk, node: unknown): void {
  const { type, fields } = required(node);
  if (type === 'List') for (const item of listOf(fields.items)) sqlStatements(walk, item);
  else if (type === 'ReturnStmt') bodyExpression(walk, fields.returnval);
  else bodyStatement(walk, node);
}

function procedure(walk: Walk, source: string, limits: ParseLimits): void {
  for (const body of parseProcedural(source, limits)) visit(walk, body, limits);
}

/** Every expression and statement in a PL/pgSQL tree (pl_funcs.c names the nodes). */
function visit(walk: Walk, node: Fields, limits: ParseLimits): void {
  for (const [type, value] of Object.entries(node)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (!isFields(each)) continue;
      if (type === 'dynquery' || DYNAMIC.has(type)) walk.tally.opaque('a body runs SQL that it puts together');
      if (type === 'PLpgSQL_expr') embedded(walk, each, limits);
      else if (type.startsWith('PLpgSQL_') && !KNOWN.has(type)) throw new NotUnderstood(`a body holds ${type}`);
      else walk.deeper(() => visit(walk, each, limits));
    }
  }
}

function embedded(walk: Walk, fields: Fields, limits: ParseLimits): void {
  const query = text(fields.query);
  if (query === null) throw new NotUnderstood('a body holds an expression without text');
  const mode = fields.parseMode ?? 0;
  if (mode === MODE_TYPE) return;
  const assigned = mode === MODE_EXPRESSION ? query : query.replace(/^[^:=]*:?=/, '');
  const statement = mode === MODE_STATEMENT ? query : `SELECT ${assigned}`;
  sqlText(walk, statement, limits);
}

function bodyStatement(walk: Walk, node: unknown): void {
  const found = required(node);
  if (QUERIES.has(found.type)) walk.query(found, variables(), null, 'hidden');
  else walk.statement(found);
}

function bodyExpression(walk: Walk, node: unknown): void {
  walk.query(
    { type: 'SelectStmt', fields: { targetList: [{ ResTarget: { val: node } }] } },
    variables(),
    null,
    'hidden',
  );
}

/** Names that no relation has may be variables or parameters. */
function variables(): Scope {
  const scope = newScope(null, null);
  scope.items.push(outputItem({ columns: [], open: true }, null, []));
  return scope;
}

export function definitions(list: unknown): ReadonlyMap<string, unknown> {
  const found = new Map<string, unknown>();
  for (const each of listOf(list)) {
    const { fields } = required(each);
    const name = text(fields.defname);
    if (name !== null) found.set(name, fields.arg);
  }
  return found;
}

function firstOf(node: unknown): unknown {
  if (node === undefined) return undefined;
  const { type, fields } = required(node);
  return type === 'List' ? listOf(fields.items)[0] : node;
}

export function stringOf(node: unknown): string | null {
  if (node === undefined) return null;
  const { type, fields } = required(node);
  if (type === 'String') return text(fields.sval) ?? '';
  return type === 'TypeName' ? (nameParts(fieldsOf(fields)?.names).at(-1) ?? null) : null;
}

/** A tag that the body does not hold. */
function dollarQuoted(body: string): string {
  for (let number = 0; ; number += 1) {
    const tag = `$b${number}$`;
    if (!body.includes(tag)) return `${tag}${body}${tag}`;
  }
}

/** RawParseMode in parser.h; 3 to 5 are assignments to one, two and three names. */
const MODE_STATEMENT = 0;
const MODE_TYPE = 1;
const MODE_EXPRESSION = 2;

const DYNAMIC: ReadonlySet<string> = new Set(['PLpgSQL_stmt_dynexecute', 'PLpgSQL_stmt_dynfors']);
const QUERIES: ReadonlySet<string> = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']);
const KNOWN: ReadonlySet<string> = new Set(
  `function var row rec recfield type nsitem expr stmt_block stmt_assign stmt_if if_elsif stmt_case case_when stmt_loop
  stmt_while stmt_fori stmt_fors stmt_forc stmt_dynfors stmt_foreach_a stmt_exit stmt_return stmt_return_next
  stmt_return_query stmt_raise raise_option stmt_assert stmt_execsql stmt_dynexecute stmt_getdiag diag_item stmt_open
  stmt_fetch stmt_close stmt_perform stmt_call stmt_commit stmt_rollback stmt_set exception_block exception
  condition`
    .split(/\s+/)
    .map((name) => `PLpgSQL_${name}`),
);
