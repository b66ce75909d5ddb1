import { hash } from 'node:crypto';

/**
 * The hashes of RFC 6962 (section 2.1): a leaf is SHA-256(0x00 ‖ entry), a node SHA-256(0x01 ‖ left ‖ right), the tree
 * without leaves SHA-256 of nothing. The first byte keeps a leaf from ever being taken for a node.
 */
export const HASH_BYTES = 32;

export function sha256(bytes: Uint8Array): Buffer {
  // By way of a string, because one that makes its own buffer takes four times as long on short input.
  return Buffer.from(hash('sha256', bytes, 'binary'), 'latin1');
}

/** Puts the hash of `bytes` into a buffer; of a leaf, when they are the entry with the 0x00 already in front of it. */
export function hashInto(bytes: Uint8Array, into: Buffer, at: number): void {
  into.latin1Write(hash('sha256', bytes, 'binary'), at, HASH_BYTES);
}

export function leafHash(entry: Uint8Array): Buffer {
  const leaf = Buffer.allocUnsafe(entry.length + 1);
  leaf[0] = LEAF_PREFIX;
  leaf.set(entry, 1);
  return sha256(leaf);
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  NODE.set(left, 1);
  NODE.set(right, 1 + HASH_BYTES);
  return sha256(NODE);
}

export function emptyRoot(): Buffer {
  return sha256(new Uint8Array(0));
}

/** The root of `count` hashes that lie side by side from hash `start`; `count` is a power of two. */
export function perfectRoot(hashes: Uint8Array, start: number, count: number): Buffer {
  const from = start * HASH_BYTES;
  if (count === 1) return Buffer.from(hashes.subarray(from, from + HASH_BYTES));
  const level = Buffer.allocUnsafe((count / 2) * HASH_BYTES);
  let below = hashes.subarray(from, from + count * HASH_BYTES);
  for (let width = count / 2; width >= 1; width /= 2) {
    // A level is put over the one below it, of which two hashes have been read for each that is written.
    for (let number = 0; number < width; number += 1) {
      NODE.set(below.subarray(2 * number * HASH_BYTES, 2 * (number + 1) * HASH_BYTES), 1);
      hashInto(NODE, level, number * HASH_BYTES);
    }
    below = level;
  }
  return Buffer.from(level.subarray(0, HASH_BYTES));
}

export const LEAF_PREFIX = 0;
const NODE_PREFIX = 1;
/** The input of a node's hash, one for all: nothing here waits between filling and hashing it. */
const NODE = Buffer.alloc(1 + 2 * HASH_BYTES, NODE_PREFIX);
