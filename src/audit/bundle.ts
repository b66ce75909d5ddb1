import { join } from 'node:path';
import { HASH_BYTES } from './hash.ts';
import type { FileSystem } from './ports.ts';
import { TILE_WIDTH, type Tile, type TileKind, tilePath, tileWidth } from './tiles.ts';

/** The entries of a bundle, and where it stops being one. */
export interface Bundle {
  readonly entries: readonly Buffer[];
  /** Bytes after the last whole entry. */
  readonly rest: number;
}

/** Takes a bundle apart: each entry has its length in front, as a big-endian uint16. */
export function splitBundle(bytes: Buffer, entries_max = TILE_WIDTH): Bundle {
  const entries: Buffer[] = [];
  let offset = 0;
  while (entries.length < entries_max && bytes.length - offset >= 2) {
    const end = offset + 2 + bytes.readUInt16BE(offset);
    if (end > bytes.length) break;
    entries.push(bytes.subarray(offset + 2, end));
    offset = end;
  }
  return { entries, rest: bytes.length - offset };
}

/** Puts entries into a bundle, each with its length in front. */
export class BundleWriter {
  #bytes: Buffer;
  #length: number;

  constructor(begun: Buffer) {
    this.#bytes = Buffer.allocUnsafe(Math.max(2 * begun.length, BUNDLE_BYTES_USUAL));
    this.#length = begun.copy(this.#bytes);
  }

  /** Adds the entry that lies in `from` at `start` up to `end`. */
  add(from: Buffer, start: number, end: number): void {
    const next = this.#length + 2 + end - start;
    if (next > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(2 * next);
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    this.#bytes.writeUInt16BE(end - start, this.#length);
    from.copy(this.#bytes, this.#length + 2, start, end);
    this.#length = next;
  }

  /** A copy of what there is. */
  bytes(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }

  clear(): void {
    this.#length = 0;
  }
}

/** 256 entries of a kilobyte. */
const BUNDLE_BYTES_USUAL = 256 * 1024;

export interface TileBytes {
  readonly bytes: Buffer;
  readonly tile: Tile;
}

/** A tile of a tree of `size`. The full form may stand for the partial one, because partial ones may be deleted. */
export async function readTile(
  files: FileSystem,
  directory: string,
  size: number,
  kind: TileKind,
  index: number,
): Promise<TileBytes | null> {
  const tile: Tile = { kind, index, width: tileWidth(size, kind, index) };
  const bytes = await files.readWhole(join(directory, tilePath(tile)));
  if (bytes !== null) return { bytes: Buffer.from(bytes), tile };
  if (tile.width === TILE_WIDTH) return null;
  const full: Tile = { kind, index, width: TILE_WIDTH };
  const fullBytes = await files.readWhole(join(directory, tilePath(full)));
  return fullBytes === null ? null : { bytes: Buffer.from(fullBytes), tile: full };
}

/** The hashes of a tile, exactly as many as a tree of `size` has in it; `null` when they are not there. */
export async function readHashes(
  files: FileSystem,
  directory: string,
  size: number,
  level: number,
  index: number,
): Promise<Buffer | null> {
  const found = await readTile(files, directory, size, level, index);
  if (found === null || found.bytes.length !== found.tile.width * HASH_BYTES) return null;
  return found.bytes.subarray(0, tileWidth(size, level, index) * HASH_BYTES);
}
