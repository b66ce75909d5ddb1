import { readHashes } from './bundle.ts';
import { HASH_BYTES, perfectRoot } from './hash.ts';
import type { FileSystem } from './ports.ts';
import { bundleHashes, computedTile, edgeRoot, type Recomputed } from './recompute.ts';
import { levelCount, levels, TILE_WIDTH, tileCount, tilePath, tileWidth } from './tiles.ts';
import type { Findings } from './verify-report.ts';

/**
 * Finds what is bad when the entries do not make the signed root. The signed root proves the last tiles of all levels,
 * each of those proves the tiles below it; of what is stored and what the entries give, one may fit what is proved
 * above, and what does not fit is bad.
 */
export class Localizer {
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #size: number;
  readonly #recomputed: Recomputed;
  readonly #findings: Findings;

  constructor(files: FileSystem, directory: string, recomputed: Recomputed, findings: Findings) {
    this.#files = files;
    this.#directory = directory;
    this.#size = recomputed.size;
    this.#recomputed = recomputed;
    this.#findings = findings;
  }

  async run(root: Buffer): Promise<void> {
    const edges = await this.#provedEdges(root);
    if (edges === null) {
      const message =
        'neither the tiles nor the entries at the right edge make the signed root: which entry is bad cannot be said';
      this.#findings.bad({ kind: 'checkpoint', entry: null, path: null, message });
      return;
    }
    for (let level = levels(this.#size) - 1; level >= 0; level -= 1) {
      const above = level + 1 < levels(this.#size) ? this.#proved.get(level + 1) : undefined;
      const proved = new Map<number, Buffer>();
      for (let index = 0; index < tileCount(this.#size, level); index += 1) {
        const isEdge = tileWidth(this.#size, level, index) < TILE_WIDTH;
        const parent = isEdge ? null : slot(above?.get(Math.floor(index / TILE_WIDTH)), index % TILE_WIDTH);
        const hashes = isEdge ? (edges.get(level) ?? null) : await this.#provedBy(level, index, parent);
        if (level > 0 && hashes !== null) proved.set(index, hashes);
        await this.#judge(level, index, hashes, isEdge || parent !== null);
      }
      this.#proved.set(level, proved);
      this.#proved.delete(level + 2);
    }
  }

  readonly #proved = new Map<number, ReadonlyMap<number, Buffer>>();

  /** Which of the two forms of every last tile make the root together; there are few levels, so all ways are tried. */
  async #provedEdges(root: Buffer): Promise<ReadonlyMap<number, Buffer> | null> {
    const forms = new Map<number, readonly [Buffer | null, Buffer | null]>();
    for (let level = 0; level < levels(this.#size); level += 1) {
      const count = levelCount(this.#size, level);
      if (count % TILE_WIDTH === 0) continue;
      const index = Math.floor(count / TILE_WIDTH);
      forms.set(level, [await this.#stored(level, index), await this.#computed(level, index)]);
    }
    const ordered = [...forms.keys()];
    for (let ways = 0; ways < 2 ** ordered.length; ways += 1) {
      const pick = (level: number) => forms.get(level)?.[(ways >> ordered.indexOf(level)) & 1] ?? null;
      if (edgeRoot(this.#size, pick)?.equals(root) !== true) continue;
      return new Map(ordered.map((level) => [level, pick(level) ?? Buffer.alloc(0)]));
    }
    return null;
  }

  async #provedBy(level: number, index: number, parent: Buffer | null): Promise<Buffer | null> {
    if (parent === null) return null;
    // Most tiles of level 0 are as they should be, and their root is known: those are not read again.
    const known = level === 0 ? (this.#recomputed.upper[0]?.[index] ?? null) : null;
    if (known?.equals(parent) === true && !this.#recomputed.differing.has(index)) return this.#stored(level, index);
    for (const hashes of [await this.#stored(level, index), await this.#computed(level, index)]) {
      if (
        hashes !== null &&
        hashes.length === TILE_WIDTH * HASH_BYTES &&
        perfectRoot(hashes, 0, TILE_WIDTH).equals(parent)
      )
        return hashes;
    }
    return null;
  }

  async #judge(level: number, index: number, proved: Buffer | null, hadParent: boolean): Promise<void> {
    const width = tileWidth(this.#size, level, index);
    const path = tilePath({ kind: level, index, width });
    const first = index * TILE_WIDTH;
    if (proved === null) {
      // Without a proved tile above there is nothing to say of it that has not been said of that one.
      if (!hadParent) return;
      if (level > 0) this.#findings.tile(path, 'it is not what the level above proves, nor do the entries give that');
      else
        this.#findings.entry(
          first,
          `neither the tile nor the entries ${first} to ${first + width - 1} fit the level above`,
          path,
        );
      return;
    }
    const stored = await this.#stored(level, index);
    if (stored === null || !stored.equals(proved))
      this.#findings.tile(path, stored === null ? 'missing or cut' : 'it is not what the signed root proves');
    if (level > 0) return;
    const computed = await this.#computed(0, index);
    for (let number = 0; computed !== null && number < width; number += 1) {
      if (slot(computed, number)?.equals(slot(proved, number) ?? computed) === true) continue;
      this.#findings.entry(first + number, `the hash of entry ${first + number} is not the one that was signed`);
    }
  }

  #stored(level: number, index: number): Promise<Buffer | null> {
    return readHashes(this.#files, this.#directory, this.#size, level, index);
  }

  async #computed(level: number, index: number): Promise<Buffer | null> {
    if (level > 0) return computedTile(this.#recomputed, level, index);
    return bundleHashes(this.#files, this.#directory, this.#size, index, null);
  }
}

function slot(hashes: Buffer | undefined, number: number): Buffer | null {
  const hash = hashes?.subarray(number * HASH_BYTES, (number + 1) * HASH_BYTES);
  return hash?.length === HASH_BYTES ? hash : null;
}
