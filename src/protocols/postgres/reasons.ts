import type { EntryIndex } from '../../core/ids.ts';
import type { Reason } from '../../core/verdict.ts';
import type { ConversationEntry } from '../protocol.ts';
import { reason } from './actions.ts';
import { encodeBackend } from './codec-backend.ts';
import { refusalFields } from './refusals.ts';
import { SKIPPED } from './work.ts';

/** Refusals that no policy has decided, and results that no target has given. */

/** The ErrorResponse of a refusal. */
export function errorBytes(why: Reason): Buffer {
  return encodeBackend({ type: 'error', fields: refusalFields(why, 'ERROR') });
}

/** What the server itself says of a name it does not have. */
export function missing(sqlState: string, what: string): Buffer {
  return encodeBackend({ type: 'error', fields: { S: 'ERROR', V: 'ERROR', C: sqlState, M: `${what} does not exist` } });
}

export function tooMany(what: string, limit: number): Reason {
  return reason('CLIENT_TOO_MANY', `more than ${limit} ${what} in one session`, 'close those that are not used');
}

/** The result of an action that was cleared and then had no place any more, because its pipeline had failed. */
export function skipped(of: EntryIndex): ConversationEntry {
  const facts = { rows: 0, bytes: 0, masked: 0, error: SKIPPED, tag: '' };
  return { kind: 'result', of, facts, sample: Buffer.alloc(0) };
}

export const UNNAMED_STATEMENT = 'unnamed prepared statement';
export const NO_CATALOGUE = reason(
  'CATALOGUE_UNAVAILABLE',
  'the catalogue of the target cannot be read',
  'try again later',
);
export const UNMASKABLE = reason(
  'POLICY_MASKED',
  'the result of a function call cannot be masked',
  'call it in a SELECT',
);
export const DATA_FIRST = reason(
  'APPROVAL_UNAVAILABLE',
  'COPY FROM STDIN cannot be approved: its data would come after the approval',
  'use INSERT, or ask for a grant beforehand',
);
/** In the words of the server. */
export const CANCELLED: Reason = {
  ...reason('APPROVAL_CANCELLED', 'canceling statement due to user request', ''),
  retry: 'never',
};
