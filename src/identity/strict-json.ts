import type { JsonObject, JsonValue } from '../core/json.ts';

/**
 * Reads a JSON object of which two readers cannot see different things: a key that stands twice is refused (RFC 7519 §4
 * lets a reader choose one), and so is nesting deeper than any token needs. `null`: not such an object.
 */
export function parseStrictObject(text: string): JsonObject | null {
  let value: JsonValue;
  try {
    // JSON.parse gives JSON values and nothing else (RFC 8259).
    value = JSON.parse(text) as JsonValue;
  } catch {
    return null;
  }
  if (!isJsonObject(value) || !keysAreUnique(text)) return null;
  return value;
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Walks a text that is known to be JSON, so only strings and brackets matter. In an object, a string followed by a colon
 * is a key; keys are compared after unescaping, because "a" and "\u0061" are one key.
 */
function keysAreUnique(text: string): boolean {
  const open: Set<string>[] = [];
  TOKENS.lastIndex = 0;
  for (let match = TOKENS.exec(text); match !== null; match = TOKENS.exec(text)) {
    const [token, quoted, colon] = match;
    if (token === '{' || token === '[') {
      if (open.push(new Set()) > NESTING_MAX) return false;
    } else if (token === '}' || token === ']') {
      open.pop();
    } else if (quoted !== undefined && colon !== undefined) {
      const keys = open.at(-1);
      const key: unknown = JSON.parse(quoted);
      if (keys === undefined || typeof key !== 'string' || keys.has(key) || key === '__proto__') return false;
      keys.add(key);
    }
  }
  return true;
}

const NESTING_MAX = 16;
/** A bracket, or a string with the colon that makes it a key. No two alternatives begin alike: linear time. */
const TOKENS = /[{}[\]]|("(?:[^"\\]|\\.)*")([ \t\n\r]*:)?/gs;
