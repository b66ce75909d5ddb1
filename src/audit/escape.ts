/**
 * Makes text of others safe to print on one line of a terminal. Whatever could move the cursor, change colours, set a
 * title, write to the clipboard, turn the reading direction, hide itself or begin a new line is shown by its code.
 */
export function escapeLine(text: string, characters_max = Number.POSITIVE_INFINITY): string {
  let line = '';
  let count = 0;
  for (const character of text) {
    if (count === characters_max) return `${line}…`;
    count += 1;
    line += SHORT.get(character) ?? (UNSAFE.test(character) ? coded(character) : character);
  }
  return line;
}

function coded(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

const SHORT: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  // Or the escapes of others could not be told from ours.
  ['\\', '\\\\'],
]);
/**
 * Cc: control characters, C0 and C1. Cf: format characters, the bidirectional ones, zero-width ones and tags among
 * them. Cs: halves of pairs. Co: private use. Zl and Zp: line ends of Unicode. And spaces and fillers that show nothing.
 */
const UNSAFE =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u00a0\u2000-\u200a\u202f\u205f\u3000]|\p{Default_Ignorable_Code_Point}/u;
