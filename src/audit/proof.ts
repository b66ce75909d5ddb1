import { HASH_BYTES, nodeHash, perfectRoot } from './hash.ts';
import { TILE_WIDTH } from './tiles.ts';

/** The leaves from `start` up to but without `end`: a subtree whose root is one hash of a proof. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Gives the hashes of one level from hash `start`, `count` of them; they lie in one tile. */
export type HashReader = (level: number, start: number, count: number) => Promise<Uint8Array>;

/** PATH(m, D[n]) of RFC 6962, section 2.1.1, as the ranges whose roots make the proof, lowest first. */
export function inclusionRanges(index: number, size: number): readonly Range[] {
  const path: Range[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + powerBelow(end - start);
    if (index < middle) {
      path.push({ start: middle, end });
      end = middle;
    } else {
      path.push({ start, end: middle });
      start = middle;
    }
  }
  return path.reverse();
}

/** PROOF(m, D[n]) of RFC 6962, section 2.1.2. Empty for the same size and for the empty tree, which is in every tree. */
export function consistencyRanges(older: number, newer: number): readonly Range[] {
  if (older === 0 || older === newer) return [];
  const path: Range[] = [];
  let start = 0;
  let end = newer;
  while (end !== older) {
    const middle = start + powerBelow(end - start);
    if (older <= middle) {
      path.push({ start: middle, end });
      end = middle;
    } else {
      path.push({ start, end: middle });
      start = middle;
    }
  }
  // The older tree's own root is known to the one who checks; a part of it is not.
  if (start > 0) path.push({ start, end });
  return path.reverse();
}

/** The root of a range of leaves, from the tiles. */
export async function rangeRoot(range: Range, hashes: HashReader): Promise<Buffer> {
  const count = range.end - range.start;
  const power = powerBelow(count + 1);
  if (power === count) return perfectRange(range.start, count, hashes);
  const middle = range.start + power;
  return nodeHash(
    await perfectRange(range.start, power, hashes),
    await rangeRoot({ start: middle, end: range.end }, hashes),
  );
}

async function perfectRange(start: number, count: number, hashes: HashReader): Promise<Buffer> {
  let level = 0;
  let span = 1;
  while (span * TILE_WIDTH <= count) {
    span *= TILE_WIDTH;
    level += 1;
  }
  return perfectRoot(await hashes(level, start / span, count / span), 0, count / span);
}

/** RFC 9162, section 2.1.3.2. */
export function includes(
  index: number,
  size: number,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (index < 0 || index >= size || !Number.isSafeInteger(index) || !Number.isSafeInteger(size)) return false;
  let at = index;
  let last = size - 1;
  let hash: Buffer = Buffer.from(leaf);
  for (const sibling of proof) {
    if (last === 0 || sibling.length !== HASH_BYTES) return false;
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(sibling, hash);
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && hash.equals(root);
}

/** RFC 9162, section 2.1.4.2. */
export function consistent(
  older: { readonly size: number; readonly root: Uint8Array },
  newer: { readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  if (older.size > newer.size) return false;
  if (older.size === newer.size) return proof.length === 0 && Buffer.from(older.root).equals(newer.root);
  if (older.size === 0) return proof.length === 0;
  const path = isPower(older.size) ? [older.root, ...proof] : [...proof];
  const first = path.shift();
  if (first === undefined) return false;
  let at = older.size - 1;
  let last = newer.size - 1;
  while (at % 2 === 1) [at, last] = [half(at), half(last)];
  let olderHash: Buffer = Buffer.from(first);
  let newerHash: Buffer = Buffer.from(first);
  for (const sibling of path) {
    if (last === 0 || sibling.length !== HASH_BYTES) return false;
    if (at % 2 === 1 || at === last) {
      olderHash = nodeHash(sibling, olderHash);
      newerHash = nodeHash(sibling, newerHash);
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      newerHash = nodeHash(newerHash, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && olderHash.equals(older.root) && newerHash.equals(newer.root);
}

/** The largest power of two below `count`; `count` is at least 2. Sizes exceed 32 bits, so nothing is shifted. */
function powerBelow(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

function isPower(count: number): boolean {
  return powerBelow(count + 1) === count;
}

function half(count: number): number {
  return Math.floor(count / 2);
}
