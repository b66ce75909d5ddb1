import load, { type ParserInstance } from 'libpg-query/wasm/libpg-query.js';
import { NotUnderstood } from './nodes.ts';

/**
 * PostgreSQL's own grammar, compiled. A stack overflow inside leaves an instance unusable (its memory contexts stay
 * half unwound), so a fresh one is kept in reserve and takes over; the text that did it is not understood.
 */
let current: ParserInstance | null = null;
let reserve: ParserInstance | null = null;

/** Loads the grammar. Awaited once when the gateway starts; parsing itself is synchronous. */
export async function loadParser(): Promise<void> {
  current ??= await load();
  reserve ??= await load();
}

/** The parse tree as JSON text. */
export function parseRaw(source: string): string {
  return guarded(source, (parser, query) => {
    const result = parser._wasm_parse_query_raw(query);
    if (result === 0) throw new NotUnderstood('the parser has no memory');
    try {
      const error = parser.getValue(result + ERROR_OFFSET, 'i32');
      if (error !== 0) throw unparsable(parser.UTF8ToString(parser.getValue(error, 'i32')));
      return parser.UTF8ToString(parser.getValue(result, 'i32'));
    } finally {
      parser._wasm_free_parse_result(result);
    }
  });
}

/** The trees of the PL/pgSQL bodies in a `DO` or `CREATE FUNCTION` statement, as JSON text. */
export function parseProceduralRaw(source: string): string {
  return guarded(source, (parser, query) => {
    const result = parser._wasm_parse_plpgsql(query);
    if (result === 0) throw new NotUnderstood('the parser has no memory');
    const answer = parser.UTF8ToString(result);
    parser._wasm_free_string(result);
    // Success is a JSON object; anything else is an error message.
    if (!answer.startsWith('{')) throw unparsable(answer);
    return answer;
  });
}

function guarded(source: string, work: (parser: ParserInstance, query: number) => string): string {
  const parser = current;
  if (parser === null) throw new NotUnderstood('the parser is not ready');
  const bytes = parser.lengthBytesUTF8(source) + 1;
  const query = parser._malloc(bytes);
  try {
    parser.stringToUTF8(source, query, bytes);
    const answer = work(parser, query);
    parser._free(query);
    return answer;
  } catch (error) {
    if (error instanceof NotUnderstood) {
      parser._free(query);
      throw error;
    }
    replace();
    throw new NotUnderstood('the text exhausts the parser');
  }
}

function replace(): void {
  current = reserve;
  reserve = null;
  // Nobody waits for this; until it is there a second overflow leaves every text opaque, which is refused.
  void load().then((fresh) => {
    if (current === null) current = fresh;
    else reserve = fresh;
  });
}

function unparsable(message: string): NotUnderstood {
  return new NotUnderstood(`the text does not parse: ${message}`);
}

/** `PgQueryParseResult { char *parse_tree; char *stderr_buffer; PgQueryError *error; }` with 32-bit pointers. */
const ERROR_OFFSET = 8;
