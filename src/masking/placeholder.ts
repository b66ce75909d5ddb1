import type { Mask } from '../core/verdict.ts';
import { countCharacters } from './characters.ts';
import { FULL, REDACTED } from './table.ts';

/**
 * Whether this text could be what the mask shows, so that a client that reads, edits and saves a row does not write the
 * placeholder over the real value. Errs on the side of yes; a token cannot be told from a value.
 */
export function isPlaceholder(mask: Mask, text: Buffer): boolean {
  switch (mask.kind) {
    case 'redact':
      return startsOf(REDACTED, text);
    case 'full':
      return startsOf(FULL, text);
    case 'email':
      return startsOf(FULL, text) || /^(?:.)?\*{3}@/su.test(text.toString());
    case 'partial': {
      if (startsOf(FULL, text)) return true;
      const kept = mask.keep_first + mask.keep_last;
      const characters = Array.from(text.toString());
      const middle = characters.slice(mask.keep_first, characters.length - mask.keep_last);
      return countCharacters(text) > 2 * kept && middle.every((character) => character === '*');
    }
    default:
      return false;
  }
}

/** The constant, or as much of it as a declared length left; padded or not. */
function startsOf(constant: string, text: Buffer): boolean {
  const shown = text.toString('latin1').trimEnd();
  return shown !== '' && constant.startsWith(shown);
}
