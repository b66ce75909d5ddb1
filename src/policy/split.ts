/** Takes a file of policies apart before Cedar sees any of it, and measures what could harm Cedar's parser. */

export interface Piece {
  readonly text: string;
  /** Where `text` begins in the file, in characters and lines (from 1). */
  readonly offset: number;
  readonly line: number;
  /** Deepest nesting; an `if` counts like a bracket that is never closed. */
  readonly nesting: number;
}

/**
 * One piece for each policy. A policy ends at a semicolon outside strings and comments (Cedar's grammar has it nowhere
 * else); what follows the last one is a piece of its own unless it is blank or comment.
 */
export function splitPolicies(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let start = -1;
  let depth = 0;
  let nesting = 0;
  let line = 1;
  let counted = 0;
  const end = (at: number): void => {
    if (start >= 0) {
      line += lineAt(text.slice(counted, start), start - counted) - 1;
      counted = start;
      pieces.push({ text: text.slice(start, at), offset: start, line, nesting });
    }
    start = -1;
    depth = 0;
    nesting = 0;
  };
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    const token = match[0];
    if (token.startsWith('//') || token.trim() === '') continue;
    if (start < 0) start = match.index;
    if (token === ';') {
      end(match.index + 1);
      continue;
    }
    if (token === '(' || token === '[' || token === '{' || token === 'if') nesting = Math.max(nesting, ++depth);
    else if (token === ')' || token === ']' || token === '}') depth--;
  }
  end(text.length);
  return pieces;
}

export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line++;
  return line;
}

/** Cedar counts bytes of UTF-8; lines are counted in the text itself. */
export function lineAtByte(text: string, offset_bytes: number): number {
  return lineAt(text, Buffer.from(text).subarray(0, offset_bytes).toString().length);
}

/** A comment, a string (Cedar's escapes all begin with a backslash), white space, a word, or any one character. */
const TOKEN = /\/\/[^\n]*|"(?:[^"\\]|\\.)*"?|\s+|\w+|./gsu;
