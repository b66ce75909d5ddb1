import { NotUnderstood } from './nodes.ts';

/**
 * How deep the parse tree of a text may become, found without parsing it: the parser's own recursion would overflow.
 *
 * A tree gets deeper by brackets, by `CASE`, and by chains that the grammar nests to the left or right: operators,
 * casts, set operations, joins. Chains of operators end at a comma; set operations and joins do not. Takes the text as
 * Latin-1, one character a byte. Throws NotUnderstood where a quote or comment does not end: PostgreSQL refuses that.
 */
export function nestingEstimate(text: string): number {
  const levels: Level[] = [];
  let level: Level = { operators: 0, clauses: 0 };
  let depth = 0;
  let deepest = 0;
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    const token = match[0];
    const skipped = endOfQuoted(text, token, match.index);
    if (skipped !== null) {
      TOKEN.lastIndex = skipped;
      continue;
    }
    if (token === '(' || token === '[') {
      levels.push(level);
      level = { operators: 0, clauses: 0 };
      depth += 1;
    } else if (token === ')' || token === ']') {
      const outer = levels.pop();
      if (outer === undefined) continue;
      depth -= level.operators + level.clauses + 1;
      level = outer;
    } else if (token === ',') {
      depth -= level.operators;
      level.operators = 0;
    } else if (token === ';') {
      levels.length = 0;
      level = { operators: 0, clauses: 0 };
      depth = 0;
    } else if (isWord(token)) {
      const word = token.toLowerCase();
      if (CLAUSES.has(word)) level.clauses += 1;
      else if (OPERATORS.has(word)) level.operators += 1;
      else continue;
      depth += 1;
    } else {
      level.operators += 1;
      depth += 1;
    }
    if (depth > deepest) deepest = depth;
  }
  return deepest;
}

interface Level {
  operators: number;
  clauses: number;
}

/** Where a string, quoted name, dollar quote or comment that begins here ends; `null` when none begins. */
function endOfQuoted(text: string, token: string, start: number): number | null {
  switch (token) {
    case "'":
    case '"':
      return after(text, token, start + 1);
    case "e'":
    case "E'":
      return endOfEscapeString(text, start + 2);
    case '--': {
      const end = /[\n\r]/g;
      end.lastIndex = start;
      return end.test(text) ? end.lastIndex : text.length;
    }
    case '/*':
      return endOfComment(text, start + 2);
    default:
      return token.startsWith('$') ? after(text, token, start + token.length) : null;
  }
}

/** A doubled quote ends one string and begins the next: the same for counting. */
function after(text: string, end: string, from: number): number {
  const found = text.indexOf(end, from);
  if (found < 0) throw new NotUnderstood('a quoted string does not end');
  return found + end.length;
}

function endOfEscapeString(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    const character = text[at];
    if (character === '\\') at += 1;
    else if (character === "'") {
      if (text[at + 1] !== "'") return at + 1;
      at += 1;
    }
  }
  throw new NotUnderstood('a quoted string does not end');
}

/** Comments nest in PostgreSQL (manual, 4.1.5). */
function endOfComment(text: string, from: number): number {
  const border = /\/\*|\*\//g;
  border.lastIndex = from;
  let open = 1;
  for (let match = border.exec(text); match !== null; match = border.exec(text)) {
    open += match[0] === '/*' ? 1 : -1;
    if (open === 0) return border.lastIndex;
  }
  throw new NotUnderstood('a comment does not end');
}

function isWord(token: string): boolean {
  return /^[A-Za-z_\x80-\xff]/.test(token);
}

const CLAUSES: ReadonlySet<string> = new Set(['union', 'intersect', 'except', 'join', 'case']);
const OPERATORS: ReadonlySet<string> = new Set(
  'not like ilike similar is in between isnull notnull collate at operator overlaps'.split(' '),
);
const TOKEN =
  /[eE]'|'|"|--|\/\*|[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*|\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$|[()[\],;]|::|[+*/<>=~!@#%^&|`?:-]/g;
