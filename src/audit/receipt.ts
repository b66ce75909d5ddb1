import { GatewayError } from '../core/errors.ts';
import { isRecord, quote } from './entry.ts';
import { openNote, type SignerKey, signNote, type VerifierKey } from './note.ts';

/** What somebody decided about a request, bound to what exactly was asked. A hold is released by one that verifies. */
export interface Receipt {
  readonly request: string;
  /** The digest of what may run, as it was shown. */
  readonly digest: string;
  readonly by: string;
  readonly person: string | null;
  readonly decision: 'approve' | 'deny';
  readonly reason: string;
  readonly rules: readonly string[];
  /** Digests of the texts of those rules, in their order. */
  readonly ruleDigests: readonly string[];
  readonly at: number;
  /** The newest signed checkpoint when it was given: whoever keeps the receipt keeps an anchor of the log. */
  readonly checkpoint: string;
}

/**
 * A receipt is a signed note of two lines: what it is, and its JSON with the keys in this one order. The first line
 * keeps it from ever being taken for a checkpoint, whoever's key signs it.
 */
export function signReceipt(receipt: Receipt, signer: SignerKey): string {
  return signNote(`${TITLE}\n${canonical(receipt)}\n`, signer);
}

/** The receipt, or a failure RECORD_BROKEN: a receipt is exactly what its signer wrote, or nothing. */
export function verifyReceipt(text: string, key: VerifierKey): Receipt {
  const [title, json = '', ...more] = openNote(text, key).split('\n');
  if (title !== TITLE || more.length !== 1 || more[0] !== '') throw broken('it is signed, but it is not a receipt');
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw broken('the receipt is not JSON');
  }
  if (!isReceipt(value)) throw broken('the receipt lacks a field or has one of another type');
  // Keys twice, in another order or unknown: a receipt that two programs could read in two ways.
  if (canonical(value) !== json) throw broken('the receipt is not in its canonical form');
  return value;
}

function canonical(receipt: Receipt): string {
  return (
    `{"request":${quote(receipt.request)},"digest":${quote(receipt.digest)},"by":${quote(receipt.by)}` +
    `,"person":${receipt.person === null ? 'null' : quote(receipt.person)},"decision":"${receipt.decision}"` +
    `,"reason":${quote(receipt.reason)},"rules":${list(receipt.rules)},"ruleDigests":${list(receipt.ruleDigests)}` +
    `,"at":${receipt.at},"checkpoint":${quote(receipt.checkpoint)}}`
  );
}

function list(values: readonly string[]): string {
  return `[${values.map(quote).join(',')}]`;
}

function isReceipt(value: unknown): value is Receipt {
  if (!isRecord(value)) return false;
  const texts = [value.request, value.digest, value.by, value.reason, value.checkpoint];
  const lists = [value.rules, value.ruleDigests];
  return (
    texts.every((text) => typeof text === 'string') &&
    lists.every((items) => Array.isArray(items) && items.every((item) => typeof item === 'string')) &&
    (value.person === null || typeof value.person === 'string') &&
    (value.decision === 'approve' || value.decision === 'deny') &&
    Number.isSafeInteger(value.at)
  );
}

function broken(message: string): GatewayError {
  return new GatewayError('RECORD_BROKEN', message);
}

const TITLE = 'sallyport receipt v1';
