import type { Hold } from '../protocol.ts';
import { encodeBackend } from './codec-backend.ts';
import { noticeFields } from './refusals.ts';

/** What a client is told while people are asked: at once, and again from time to time. */
export function holdNotice(hold: Hold): Buffer {
  const rule = hold.message === '' ? `rule ${hold.rule}` : `rule ${hold.rule}: ${hold.message}`;
  const message = `waiting for approval ${hold.requestId} by ${hold.approvers} (${rule})`;
  const where = hold.url === null ? `sallyport requests show ${hold.requestId}` : hold.url;
  const hint = `${where}; it expires at ${new Date(hold.expiresAt).toISOString()}; cancel to withdraw it`;
  return encodeBackend({ type: 'notice', fields: noticeFields(message, hint) });
}
