import { GatewayError } from '../../core/errors.ts';
import { type Frame, HEADER_BYTES } from './frames.ts';
import type { TransactionStatus } from './messages.ts';

/** Two messages that end every statement, read where they lie because they come so often. */

/** CommandComplete: the server's own words, in ASCII. */
export function commandTag({ buffer, start, end }: Frame): string {
  if (buffer[end - 1] !== 0 || end - start <= HEADER_BYTES) throw malformed('CommandComplete');
  return buffer.latin1Slice(start + HEADER_BYTES, end - 1);
}

export function readyStatus({ buffer, start, end }: Frame): TransactionStatus {
  const status = STATUSES[buffer[start + HEADER_BYTES] ?? 0];
  if (status === undefined || end - start !== HEADER_BYTES + 1) throw malformed('ReadyForQuery');
  return status;
}

function malformed(what: string): GatewayError {
  return new GatewayError('TARGET_MISBEHAVED', `the target sent a malformed ${what}`);
}

const STATUSES: Readonly<Record<number, TransactionStatus>> = { 73: 'I', 84: 'T', 69: 'E' };
