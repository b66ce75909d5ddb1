import { GatewayError } from '../core/errors.ts';
import { REDACTED, sensitivity } from '../core/sensitivity.ts';

/** The value with every field that is not known to be public replaced: names decide, at every depth. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return escapeControls(value.length > TEXT_CHARACTERS_MAX ? cut(value) : value);
  if (value === null || typeof value === 'number' || typeof value === 'boolean' || value === undefined) return value;
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Error) return redactError(value, depth);
  if (typeof value !== 'object' || depth >= DEPTH_MAX) return REDACTED;
  if (ArrayBuffer.isView(value)) return REDACTED;
  if (Array.isArray(value)) return value.slice(0, ITEMS_MAX).map((item) => redact(item, depth + 1));
  const shown: Record<string, unknown> = {};
  for (const [field, inner] of Object.entries(value)) {
    shown[escapeControls(field)] = sensitivity(field) === 'public' ? redact(inner, depth + 1) : REDACTED;
  }
  return shown;
}

/**
 * Text for a terminal or a log line: characters that could start a line, move the cursor or turn the reading direction
 * are written as escapes. C0, DEL, C1 (ECMA-48), line and paragraph separators, bidirectional controls (UAX #9), other
 * invisible ones, and half surrogates.
 */
export function escapeControls(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (character === '\n') return '\\n';
    if (character === '\r') return '\\r';
    if (character === '\t') return '\\t';
    return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  const code = error instanceof GatewayError ? error.code : 'code' in error ? String(error.code) : undefined;
  const shown: Record<string, unknown> = { type: error.name };
  if (code !== undefined) shown.code = escapeControls(code);
  shown.message = redact(error.message, depth + 1);
  // An expected failure needs no stack; a bug is nothing without one.
  if (!(error instanceof GatewayError)) {
    shown.stack = (error.stack ?? '')
      .split('\n')
      .slice(1, 20)
      .map((frame) => escapeControls(frame.trim()));
  } else {
    Object.assign(shown, redact(error.details, depth + 1));
  }
  return shown;
}

function cut(text: string): string {
  return `${text.slice(0, TEXT_CHARACTERS_MAX)}… (${text.length} characters)`;
}

const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Cs}/gu;
const DEPTH_MAX = 6;
const ITEMS_MAX = 100;
const TEXT_CHARACTERS_MAX = 4096;
