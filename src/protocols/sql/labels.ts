import { GatewayError } from '../../core/errors.ts';

/** One `classify` line: which columns, and what they are. */
export interface ClassifyLine {
  readonly column: string;
  readonly label: string;
}

export interface ColumnPattern {
  readonly label: string;
  /** Whether the line names a schema: only such a line reaches the system's own schemas. */
  readonly namesSchema: boolean;
  matches(schema: string, table: string, column: string): boolean;
}

/**
 * `schema.table.column` or `table.column` in any schema. Names fold as PostgreSQL folds them and may be quoted; in a bare
 * part `*` stands for any characters.
 */
export function columnPattern({ column, label }: ClassifyLine): ColumnPattern {
  const parts = splitName(column);
  if (parts === null || parts.length < 2 || parts.length > 3) {
    throw new GatewayError('CONFIG_INVALID', `classify: ${column} is neither schema.table.column nor table.column`);
  }
  const [columnPart, tablePart, schemaPart] = [...parts].reverse().map(partMatcher);
  return {
    label,
    namesSchema: parts.length === 3 && parts[0] !== '*',
    matches: (schema, table, name) =>
      (columnPart?.(name) ?? false) && (tablePart?.(table) ?? false) && (schemaPart?.(schema) ?? true),
  };
}

function splitName(name: string): readonly string[] | null {
  const parts = name.match(/"(?:[^"]|"")+"|[^".\s]+/g);
  return parts !== null && parts.join('.') === name ? parts : null;
}

function partMatcher(part: string): (name: string) => boolean {
  if (part.startsWith('"')) {
    const exact = part.slice(1, -1).replaceAll('""', '"');
    return (name) => name === exact;
  }
  // The server folds ASCII letters only (downcase_identifier).
  const folded = part.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  if (!folded.includes('*')) return (name) => name === folded;
  const pieces = folded.split('*');
  return (name) => matchesPieces(name, pieces);
}

/** `a*b*c`: the first at the start, the last at the end, the others in between in order. */
function matchesPieces(name: string, pieces: readonly string[]): boolean {
  const first = pieces[0] ?? '';
  const last = pieces.at(-1) ?? '';
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = name.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at <= name.length - last.length;
}
