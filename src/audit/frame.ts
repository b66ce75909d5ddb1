import { hash, randomFillSync } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * How a record lies in the journal, and without its entry in a session's file of sealed fields:
 *
 *     0  u32  bytes of the whole frame
 *     4  u32  CRC-32 of everything after it
 *     8  u48  index of the entry
 *    14  u8   1 when the stored part is encrypted
 *    15  u8   0
 *    16  u32  bytes of the stored part
 *    20  …    stored part: 32 random bytes ‖ sealed JSON, or those two encrypted
 *     …  0x00 ‖ entry: the input of the leaf's hash; absent in a session's file
 *
 * The checksum finds what a crash has torn. It is not against people; that is what the tree is for.
 */
export interface Frame {
  readonly index: number;
  readonly encrypted: boolean;
  readonly stored: Buffer;
  /** 0x00 ‖ entry; empty in a session's file. */
  readonly leaf: Buffer;
  readonly offset: number;
  readonly end: number;
}

export type Scan =
  | { readonly kind: 'frame'; readonly frame: Frame }
  /** Nothing follows. */
  | { readonly kind: 'end' }
  /** The file ends inside a frame: the last write was cut. */
  | { readonly kind: 'torn' }
  /** A whole frame that does not fit its checksum, or no frame at all. */
  | { readonly kind: 'damaged' };

export function scanFrame(bytes: Buffer, offset: number): Scan {
  const left = bytes.length - offset;
  if (left === 0) return { kind: 'end' };
  if (left < HEADER_BYTES) return { kind: 'torn' };
  const length = bytes.readUInt32BE(offset);
  if (length < HEADER_BYTES || length > FRAME_BYTES_MAX) return { kind: 'damaged' };
  if (length > left) return { kind: 'torn' };
  const end = offset + length;
  const stored = bytes.readUInt32BE(offset + STORED_AT);
  if (HEADER_BYTES + stored > length) return { kind: 'damaged' };
  if (crc32(bytes.subarray(offset + CHECKED_FROM, end)) !== bytes.readUInt32BE(offset + CHECKSUM_AT))
    return { kind: 'damaged' };
  return {
    kind: 'frame',
    frame: {
      index: bytes.readUIntBE(offset + INDEX_AT, INDEX_BYTES),
      encrypted: bytes[offset + ENCRYPTED_AT] === 1,
      stored: bytes.subarray(offset + HEADER_BYTES, offset + HEADER_BYTES + stored),
      leaf: bytes.subarray(offset + HEADER_BYTES + stored, end),
      offset,
      end,
    },
  };
}

/**
 * Copies a journalled frame from `start` to where its entry begins, which makes the frame of a session's file: only the
 * length and the checksum differ. Returns where it ends.
 */
export function copyStored(journalled: Buffer, start: number, leafAt: number, into: Buffer, at: number): number {
  const end = at + journalled.copy(into, at, start, leafAt);
  into.writeUInt32BE(end - at, at);
  into.writeUInt32BE(crc32(into.subarray(at + CHECKED_FROM, end)), at + CHECKSUM_AT);
  return end;
}

export function indexOf(frames: Buffer, start: number): number {
  return frames.readUIntBE(start + INDEX_AT, INDEX_BYTES);
}

/** Bytes of a slab that hold one frame. They are not written again until the slab is recycled. */
export interface Written {
  readonly slab: Buffer;
  readonly offset: number;
  readonly length: number;
  /** Where 0x00 ‖ entry begins; it goes to the end of the frame. */
  readonly leafAt: number;
}

/** Builds frames in large buffers, so that an entry costs no buffer of its own. */
export class FrameWriter {
  #slab: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #offset = 0;
  readonly #free: Buffer[] = [];
  readonly #random = Buffer.alloc(RANDOM_BLOCK_BYTES);
  #randomOffset = RANDOM_BLOCK_BYTES;

  /**
   * `head` and `tail` are the entry's text before and after its commitment. `encrypt` gets salt and sealed text
   * together and returns what is stored of them.
   */
  write(
    index: number,
    sealed: string,
    head: string,
    tail: string,
    encrypt: ((plain: Buffer) => Buffer) | null,
  ): Written {
    // A UTF-16 unit is at most three bytes of UTF-8.
    const needed =
      HEADER_BYTES +
      SALT_BYTES +
      3 * (sealed.length + head.length + tail.length) +
      COMMITMENT_LENGTH +
      CIPHER_BYTES +
      1;
    const slab = this.#room(needed);
    const offset = this.#offset;
    const saltAt = offset + HEADER_BYTES;
    this.#salt(slab, saltAt);
    let storedEnd = saltAt + SALT_BYTES + slab.utf8Write(sealed, saltAt + SALT_BYTES);
    const plain = slab.subarray(saltAt, storedEnd);
    const commitment = hash('sha256', plain, 'hex');
    if (encrypt !== null) {
      const cipher = encrypt(plain);
      slab.set(cipher, saltAt);
      storedEnd = saltAt + cipher.length;
    }
    slab[storedEnd] = 0;
    // Two writes, because joining the parts first would copy them once more. What follows the head is plain ASCII.
    let end = storedEnd + 1 + slab.utf8Write(head, storedEnd + 1);
    end += slab.latin1Write(commitment + tail, end);
    finish(slab, offset, end, index, encrypt !== null, storedEnd - saltAt);
    this.#offset = end;
    return { slab, offset, length: end - offset, leafAt: storedEnd };
  }

  /** Takes a slab back that nobody reads any more: memory that has been used is cheaper than new memory. */
  recycle(slab: Buffer): void {
    if (slab.length === SLAB_BYTES && this.#free.length < SLABS_FREE_MAX) this.#free.push(slab);
  }

  #room(bytes: number): Buffer {
    if (this.#offset + bytes > this.#slab.length) {
      this.#slab =
        bytes > SLAB_BYTES ? Buffer.allocUnsafeSlow(bytes) : (this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES));
      this.#offset = 0;
    }
    return this.#slab;
  }

  #salt(into: Buffer, at: number): void {
    if (this.#randomOffset === RANDOM_BLOCK_BYTES) {
      randomFillSync(this.#random);
      this.#randomOffset = 0;
    }
    const next = this.#randomOffset + SALT_BYTES;
    this.#random.copy(into, at, this.#randomOffset, next);
    // Random bytes are used once; what was used is not kept.
    this.#random.fill(0, this.#randomOffset, next);
    this.#randomOffset = next;
  }
}

function finish(bytes: Buffer, offset: number, end: number, index: number, encrypted: boolean, stored: number): void {
  bytes.writeUInt32BE(end - offset, offset);
  bytes.writeUIntBE(index, offset + INDEX_AT, INDEX_BYTES);
  bytes[offset + ENCRYPTED_AT] = encrypted ? 1 : 0;
  bytes[offset + ENCRYPTED_AT + 1] = 0;
  bytes.writeUInt32BE(stored, offset + STORED_AT);
  bytes.writeUInt32BE(crc32(bytes.subarray(offset + CHECKED_FROM, end)), offset + CHECKSUM_AT);
}

export const SALT_BYTES = 32;
export const HEADER_BYTES = 20;
/** Statements and results above the limit of a sealed field lie in blobs, so a frame is never near this. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024;
const CHECKSUM_AT = 4;
const CHECKED_FROM = 8;
const INDEX_AT = 8;
const INDEX_BYTES = 6;
export const ENCRYPTED_AT = 14;
const STORED_AT = 16;
const COMMITMENT_LENGTH = 64;
/** Nonce and tag of AES-256-GCM. */
const CIPHER_BYTES = 28;
const SLAB_BYTES = 1024 * 1024;
const SLABS_FREE_MAX = 16;
const RANDOM_BLOCK_BYTES = 16 * 1024;
