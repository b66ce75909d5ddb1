import { readHashes, readTile, splitBundle } from './bundle.ts';
import { emptyRoot, HASH_BYTES, leafHash, perfectRoot } from './hash.ts';
import type { FileSystem } from './ports.ts';
import { levelCount, levels, TILE_WIDTH, tileCount, tilePath, tileWidth } from './tiles.ts';
import { foldLeft, Tree } from './tree.ts';
import type { Findings } from './verify-report.ts';

/** Sees every entry in order, with the tree of all that came before it. */
export type EntryVisitor = (index: number, bytes: Buffer, before: Tree) => void | Promise<void>;

/**
 * The tree computed again from the entries, and what lies on disk beside it. Level 0 is 32 bytes an entry and is never
 * kept; of it only the roots of its tiles are, which are the hashes of level 1.
 */
export interface Recomputed {
  readonly size: number;
  /** `null` when an entry is missing. */
  readonly root: Buffer | null;
  /** Hashes of level 1 and above, as the entries give them; a missing one is `null`. */
  readonly upper: readonly (readonly (Buffer | null)[])[];
  /** Tiles of level 0 that are not what the entries give, or are not there. */
  readonly differing: ReadonlySet<number>;
}

/** One pass over the bundles and the tiles of level 0. */
export async function recompute(
  files: FileSystem,
  directory: string,
  size: number,
  findings: Findings,
  visit: EntryVisitor,
): Promise<Recomputed> {
  const tree = new Tree();
  const roots: (Buffer | null)[] = [];
  const differing = new Set<number>();
  let whole = true;
  for (let index = 0; index < tileCount(size, 0); index += 1) {
    const hashes = await bundleHashes(files, directory, size, index, findings, async (entry, bytes, hash) => {
      await visit(entry, bytes, tree);
      if (whole) tree.append(hash);
    });
    if (hashes === null) whole = false;
    const stored = await readHashes(files, directory, size, 0, index);
    if (hashes === null || stored === null || !stored.equals(hashes)) differing.add(index);
    if (tileWidth(size, 0, index) === TILE_WIDTH)
      roots.push(hashes === null ? null : perfectRoot(hashes, 0, TILE_WIDTH));
  }
  return { size, root: whole ? tree.root() : null, upper: upperLevels(roots, size), differing };
}

/** The leaf hashes of a bundle; `null` when an entry of it is missing. */
export async function bundleHashes(
  files: FileSystem,
  directory: string,
  size: number,
  index: number,
  findings: Findings | null,
  visit?: (entry: number, bytes: Buffer, hash: Buffer) => Promise<void>,
): Promise<Buffer | null> {
  const width = tileWidth(size, 'entries', index);
  const first = index * TILE_WIDTH;
  const found = await readTile(files, directory, size, 'entries', index);
  if (found === null) {
    const path = tilePath({ kind: 'entries', index, width });
    findings?.entry(first, `the bundle of entries ${first} to ${first + width - 1} is missing`, path);
    return null;
  }
  const { entries, rest } = splitBundle(found.bytes, width);
  const hashes = Buffer.alloc(width * HASH_BYTES);
  for (const [number, bytes] of entries.entries()) {
    const hash = leafHash(bytes);
    hashes.set(hash, number * HASH_BYTES);
    await visit?.(first + number, bytes, hash);
  }
  const path = tilePath(found.tile);
  if (entries.length < width) {
    findings?.entry(first + entries.length, `the bundle breaks off at entry ${first + entries.length}`, path);
    return null;
  }
  // A full bundle that stands for a partial one goes on with entries that are not signed yet.
  if (rest > 0 && found.tile.width === width) findings?.tile(path, `${rest} bytes after the last entry`);
  return hashes;
}

function upperLevels(roots: readonly (Buffer | null)[], size: number): readonly (readonly (Buffer | null)[])[] {
  const upper: (readonly (Buffer | null)[])[] = [];
  let level = roots;
  for (let number = 1; levelCount(size, number) > 0; number += 1) {
    upper.push(level);
    const next: (Buffer | null)[] = [];
    for (let tile = 0; tile < levelCount(size, number + 1); tile += 1) {
      const hashes = joined(level.slice(tile * TILE_WIDTH, (tile + 1) * TILE_WIDTH));
      next.push(hashes === null ? null : perfectRoot(hashes, 0, TILE_WIDTH));
    }
    level = next;
  }
  return upper;
}

/** The hashes of one tile of an upper level, or `null` when one is missing. */
export function computedTile(recomputed: Recomputed, level: number, index: number): Buffer | null {
  return joined((recomputed.upper[level - 1] ?? []).slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH));
}

function joined(hashes: readonly (Buffer | null)[]): Buffer | null {
  const there = hashes.filter((hash) => hash !== null);
  return there.length === hashes.length ? Buffer.concat(there) : null;
}

/** The root that the last tiles of all levels make, each given by `edge`; `null` when one of them is missing. */
export function edgeRoot(size: number, edge: (level: number, index: number) => Buffer | null): Buffer | null {
  let root: Buffer | null = null;
  for (let level = 0; level < levels(size); level += 1) {
    const count = levelCount(size, level);
    if (count % TILE_WIDTH === 0) continue;
    const hashes = edge(level, Math.floor(count / TILE_WIDTH));
    if (hashes === null) return null;
    root = foldLeft(hashes, count % TILE_WIDTH, root);
  }
  return root ?? emptyRoot();
}
