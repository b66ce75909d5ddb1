import type { Action, ActionDraft, Parameter } from '../../core/action.ts';
import type { JsonObject } from '../../core/json.ts';

/**
 * An action as people see it before they approve it and in the record: the exact text and its parameters, with everything
 * that would not be seen, or would reorder what is seen, written out.
 */
export function display(draft: ActionDraft): string {
  const text = revealed(decoded(draft.text));
  if (draft.parameters.length === 0) return text;
  const parameters = draft.parameters.map((parameter, index) => `$${index + 1} = ${displayParameter(parameter)}`);
  return `${text}\n${parameters.join('\n')}`;
}

/** Facts for the policy that depend on this very action. */
export function facts(action: Action): JsonObject {
  return { ...action.classification.facts };
}

function displayParameter({ format, type, value }: Parameter): string {
  if (value === null) return 'NULL';
  if (format === 'text') return `'${revealed(decoded(value)).replaceAll("'", "''")}'`;
  const integer = displayInteger(type, value);
  return integer ?? `'\\x${Buffer.from(value).toString('hex')}' (binary, type ${type})`;
}

/** Integers are the binary parameters people meet. */
function displayInteger(type: string, value: Uint8Array): string | null {
  const bytes = Buffer.from(value);
  if (type === INT2 && bytes.length === 2) return String(bytes.readInt16BE());
  if (type === INT4 && bytes.length === 4) return String(bytes.readInt32BE());
  if (type === INT8 && bytes.length === 8) return String(bytes.readBigInt64BE());
  return null;
}

/** What is no UTF-8 is shown byte by byte. */
function decoded(bytes: Uint8Array): string {
  try {
    return STRICT_UTF8.decode(bytes);
  } catch {
    return Buffer.from(bytes)
      .toString('latin1')
      .replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
  }
}

/** Line breaks and tabs stay: they are seen. A lone carriage return is not, and overwrites what was. */
function revealed(text: string): string {
  return text.replace(INVISIBLE, (character) => {
    if (character === '\n' || character === '\t') return character;
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Control, format (bidirectional and zero-width ones), private and unassigned characters; separators other than the space; fillers, joiners, selectors. */
const INVISIBLE =
  /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u00a0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000]/gu;
const INT8 = '20';
const INT2 = '21';
const INT4 = '23';
