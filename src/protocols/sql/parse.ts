import { isUtf8 } from 'node:buffer';
import { nestingEstimate } from './nesting.ts';
import { type Fields, isFields, listOf, NotUnderstood, type Opened, required } from './nodes.ts';
import { parseProceduralRaw, parseRaw } from './parser.ts';

export interface ParsedStatement {
  readonly node: Opened;
  /** Its own bytes in the text. */
  readonly from: number;
  readonly to: number;
}

export interface ParseLimits {
  readonly statement_bytes_max: number;
  readonly statement_nesting_max: number;
}

/** Statements in order. Throws NotUnderstood for whatever PostgreSQL's grammar does not take. */
export function parse(text: Buffer, limits: ParseLimits): readonly ParsedStatement[] {
  const { statement_bytes_max, statement_nesting_max } = limits;
  if (text.length > statement_bytes_max) {
    throw new NotUnderstood(`the text has ${text.length} bytes, limit ${statement_bytes_max}`);
  }
  // The grammar is C: it would read only what stands before a NUL, and the server refuses such a text anyway.
  if (text.includes(0)) throw new NotUnderstood('the text holds a NUL');
  if (!isUtf8(text)) throw new NotUnderstood('the text is not UTF-8');
  const nesting = nestingEstimate(text.latin1Slice());
  if (nesting > statement_nesting_max) {
    throw new NotUnderstood(`the text is nested up to ${nesting} deep, limit ${statement_nesting_max}`);
  }
  // A byte order mark would be dropped by TextDecoder; toString keeps it, as the server does.
  const tree = structure(parseRaw(text.toString('utf8')));
  return listOf(tree.stmts).map((statement) => {
    if (!isFields(statement)) throw new NotUnderstood('a statement is not a structure');
    const from = numberOr(statement.stmt_location, 0);
    const length = numberOr(statement.stmt_len, 0);
    return { node: required(statement.stmt), from, to: length === 0 ? text.length : from + length };
  });
}

/** The trees of the PL/pgSQL bodies in a `DO` or `CREATE FUNCTION` statement. */
export function parseProcedural(source: string, limits: ParseLimits): readonly Fields[] {
  if (nestingEstimate(source) > limits.statement_nesting_max) throw new NotUnderstood('a body is nested too deep');
  return listOf(structure(parseProceduralRaw(source)).plpgsql_funcs).filter(isFields);
}

function structure(json: string): Fields {
  const tree: unknown = JSON.parse(json);
  if (!isFields(tree)) throw new NotUnderstood('the parser gave no tree');
  return tree;
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
