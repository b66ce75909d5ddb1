import { escapeControls } from '../observe/redaction.ts';

/** A table with its columns aligned. Every cell may come from somebody hostile. */
export function table(columns: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  const cells = [columns, ...rows].map((row) => row.map((cell) => escapeControls(cell === null ? '-' : String(cell))));
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => width(row[index] ?? ''))));
  return cells
    .map(
      (row) =>
        `${row
          .map((cell, index) => cell + ' '.repeat((widths[index] ?? 0) - width(cell)))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** `name  value`, one a line. */
export function facts(lines: readonly (readonly [name: string, value: string | number | null])[]): string {
  const longest = Math.max(...lines.map(([name]) => name.length));
  return lines
    .map(([name, value]) => `${name.padEnd(longest)}  ${escapeControls(value === null ? '-' : String(value))}\n`)
    .join('');
}

/** JSON whose text cannot do anything to a terminal either: what JSON allows raw and terminals heed is escaped. */
export function jsonText(value: unknown, indent = 2): string {
  const text = JSON.stringify(value, null, indent) ?? 'null';
  return text.replace(HEEDED, (found) =>
    [...Array(found.length).keys()]
      .map((unit) => `\\u${found.charCodeAt(unit).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** `2026-11-20 12:00:00Z` */
export function moment(at: number | null): string {
  return at === null ? '-' : `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}

export function clock(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}

/** `1h 30m`, from milliseconds; the two largest units. */
export function span(duration_ms: number): string {
  const seconds = Math.max(0, Math.round(duration_ms / 1000));
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ');
}

/** Columns that a terminal gives a text: East Asian wide characters and emoji take two (UAX #11, roughly). */
function width(text: string): number {
  let columns = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const wide =
      (code >= 0x1100 && code <= 0x115f) ||
      (code >= 0x2e80 && code <= 0xa4cf) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xfe30 && code <= 0xfe6f) ||
      (code >= 0xff00 && code <= 0xff60) ||
      code >= 0x1f300;
    columns += /\p{Mn}|\p{Me}/u.test(character) ? 0 : wide ? 2 : 1;
  }
  return columns;
}

/** What JSON.stringify leaves as it is: DEL, C1, and characters that are invisible or turn the reading direction. */
const HEEDED =
  /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
