import { GatewayError } from '../core/errors.ts';

/** A part of a tuple: text, bytes, nothing, or a list of parts. */
export type Part = string | Uint8Array | null | readonly Part[];

/**
 * One encoding for each tuple and one tuple for each encoding: every part says its kind and its length, so that no two
 * tuples become the same bytes by moving a boundary. Text that is no Unicode (a lone surrogate) is refused, because
 * UTF-8 would make two texts one.
 */
export function encodeTuple(part: Part): Buffer {
  const chunks: Buffer[] = [];
  append(chunks, part);
  return Buffer.concat(chunks);
}

function append(chunks: Buffer[], part: Part): void {
  if (part === null) {
    chunks.push(header(NOTHING, 0));
  } else if (typeof part === 'string') {
    if (!part.isWellFormed())
      throw new GatewayError('APPROVAL_UNAVAILABLE', 'text with a lone surrogate cannot be bound');
    const bytes = Buffer.from(part);
    chunks.push(header(TEXT, bytes.length), bytes);
  } else if (part instanceof Uint8Array) {
    chunks.push(header(BYTES, part.byteLength), Buffer.from(part.buffer, part.byteOffset, part.byteLength));
  } else {
    chunks.push(header(LIST, part.length));
    for (const item of part) append(chunks, item);
  }
}

function header(kind: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(5);
  bytes.writeUInt8(kind, 0);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

const NOTHING = 0;
const TEXT = 1;
const BYTES = 2;
const LIST = 3;
