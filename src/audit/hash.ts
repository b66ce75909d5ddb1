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

/** `leaf` is the entry with the 0x00 already in front of it, as the journal keeps it: nothing is copied. */
export function leafHashOf(leaf: Uint8Array): Buffer {
  return sha256(leaf);
}

export function leafHash(entry: Uint8Array): Buffer {
  const leaf = Buffer.allocUnsafe(entry.length + 1);
  leaf[0] = LEAF_PREFIX;
  leaf.set(entry, 1);
  return sha256(leaf);
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  const node = Buffer.allocUnsafe(1 + 2 * HASH_BYTES);
  node[0] = NODE_PREFIX;
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return sha256(node);
}

export function emptyRoot(): Buffer {
  return sha256(new Uint8Array(0));
}

/** The root of `count` hashes that lie side by side from hash `start`; `count` is a power of two. */
export function perfectRoot(hashes: Uint8Array, start: number, count: number): Buffer {
  if (count === 1) return Buffer.from(hashes.subarray(start * HASH_BYTES, (start + 1) * HASH_BYTES));
  const half = count / 2;
  return nodeHash(perfectRoot(hashes, start, half), perfectRoot(hashes, start + half, half));
}

export const LEAF_PREFIX = 0;
const NODE_PREFIX = 1;
