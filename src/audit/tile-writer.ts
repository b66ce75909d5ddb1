import { dirname, join } from 'node:path';
import type { FileSystem } from './ports.ts';
import { partialDirectory, TILE_WIDTH, type Tile, tilePath, tileWidth } from './tiles.ts';

/**
 * Directories of tiles that are durable with their names, and the partial forms (`007.p`) that lie in each. A writer
 * that failed knows nothing of what it left, so after it the map must be emptied.
 */
export type TileHomes = Map<string, Set<string>>;

/** Writes the tiles of one checkpoint. They are durable with their names when `finish` returns, and not before. */
export class TileWriter {
  readonly #files: FileSystem;
  readonly #directory: string;
  /** How many entries are signed: whatever is beyond them was left by a crash. */
  readonly #signed: number;
  readonly #homes: TileHomes;
  readonly #entered = new Set<string>();
  readonly #made: string[] = [];
  #writing: Promise<void>[] = [];

  constructor(files: FileSystem, directory: string, signed: number, homes: TileHomes) {
    this.#files = files;
    this.#directory = directory;
    this.#signed = signed;
    this.#homes = homes;
  }

  /** Begins to write a tile; waits as long as too many others are being written. */
  async write(tile: Tile, bytes: Buffer): Promise<void> {
    await this.#enter(tile);
    if (this.#writing.length >= FILES_AT_ONCE) await this.#writing.shift();
    const writing = this.#put(join(this.#directory, tilePath(tile)), bytes);
    // It is waited for, but maybe not before it fails.
    writing.catch(() => undefined);
    this.#writing.push(writing);
  }

  async finish(): Promise<void> {
    for (const writing of this.#writing) await writing;
    this.#writing = [];
    for (const directory of new Set([...this.#entered, ...this.#made])) await this.#files.syncDirectory(directory);
  }

  /** Waits for what is under way, whatever becomes of it. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.#writing);
  }

  /** Removes the partial forms of a tile that is full. Where they stay, they are its beginning and harm nobody. */
  async dropPartial({ kind, index }: Tile): Promise<void> {
    const directory = join(this.#directory, partialDirectory(kind, index));
    if (this.#homes.get(dirname(directory))?.delete(directory) !== true) return;
    await this.#files.remove(directory).catch(() => undefined);
  }

  async #put(path: string, bytes: Buffer): Promise<void> {
    const file = await this.#files.open(path, 'replace');
    try {
      await this.#files.write(file, bytes, 0);
      await this.#files.sync(file);
    } finally {
      // At once: of a file that is synced nothing is left to wait for, and another thread costs ten times as much.
      this.#files.closeNow(file);
    }
  }

  /** Makes a tile's directory. Partial tiles that a crash left there were never signed, and go. */
  async #enter(tile: Tile): Promise<void> {
    const partial = join(this.#directory, partialDirectory(tile.kind, tile.index));
    const partials = await this.#home(dirname(partial));
    if (tile.width === TILE_WIDTH) {
      this.#entered.add(dirname(partial));
      return;
    }
    this.#entered.add(partial);
    if (!partials.has(partial)) {
      await this.#files.makeDirectory(partial);
      partials.add(partial);
      this.#entered.add(dirname(partial));
    }
    const signed = tileWidth(this.#signed, tile.kind, tile.index);
    for (const { name } of await this.#files.list(partial)) {
      if (Number(name) > signed) await this.#files.remove(join(partial, name));
    }
  }

  async #home(directory: string): Promise<Set<string>> {
    const known = this.#homes.get(directory);
    if (known !== undefined) return known;
    await this.#files.makeDirectory(directory);
    // Its own name and those above it may be new.
    for (let above = directory; above.length > this.#directory.length; above = dirname(above)) this.#made.push(above);
    this.#made.push(this.#directory);
    const partials = new Set<string>();
    for (const { name } of await this.#files.list(directory)) {
      if (name.endsWith('.p')) partials.add(join(directory, name));
    }
    // Only the newest homes are written to.
    if (this.#homes.size >= HOMES_KNOWN_MAX) this.#homes.clear();
    this.#homes.set(directory, partials);
    return partials;
  }
}

/** Two, so that the threads which sync the journal are not all taken. */
const FILES_AT_ONCE = 2;
const HOMES_KNOWN_MAX = 100;
