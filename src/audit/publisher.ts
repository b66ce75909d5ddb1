import { dirname, join } from 'node:path';
import { GatewayError } from '../core/errors.ts';
import { leafHashOf } from './hash.ts';
import { writeDurably } from './keys.ts';
import { type Checkpoint, encodeCheckpoint, openCheckpoint, type SignerKey, signNote } from './note.ts';
import type { FileSystem } from './ports.ts';
import {
  levelCount,
  levels,
  partialDirectory,
  TILE_WIDTH,
  type Tile,
  type TileKind,
  tilePath,
  tileWidth,
} from './tiles.ts';
import type { Tree } from './tree.ts';

/**
 * Turns entries into bundles, tiles and a signed checkpoint, in the one order that a crash cannot turn into two
 * histories: all files synced, then signed, then the checkpoint renamed into place, then the directory synced.
 */
export class Publisher {
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #signer: SignerKey;
  #tree: Tree;
  /** The entries of the last, partial bundle, each with its length in front. */
  #bundle: readonly Buffer[];
  #checkpoint: string;
  #root: Buffer;
  readonly #knownDirectories = new Set<string>();

  constructor(files: FileSystem, directory: string, signer: SignerKey, state: PublishedState) {
    this.#files = files;
    this.#directory = directory;
    this.#signer = signer;
    this.#tree = state.tree;
    this.#bundle = state.bundle;
    this.#checkpoint = state.checkpoint;
    this.#root = state.tree.root();
  }

  get size(): number {
    return this.#tree.size;
  }

  /** The root that the checkpoint signs. */
  get root(): Buffer {
    return this.#root;
  }

  get checkpoint(): string {
    return this.#checkpoint;
  }

  /** Publishes the leaves (0x00 ‖ entry) that follow. Whatever fails, the state stays that of the last checkpoint. */
  async publish(leaves: readonly Buffer[]): Promise<void> {
    const before = this.#tree;
    const { tree, bundle, writes, filled } = await grow(before, this.#bundle, leaves);
    for (const tile of edgeTiles(before, tree)) {
      const bytes = tile.kind === 'entries' ? Buffer.concat(bundle) : tree.edge(tile.kind);
      writes.push({ tile, bytes });
    }
    try {
      await this.#write(writes);
    } catch (error) {
      // What is half written must go before the next checkpoint, and what is not durable be synced again.
      this.#knownDirectories.clear();
      throw error;
    }
    const root = tree.root();
    const note = this.#sign({ origin: this.#signer.verifier.name, size: tree.size, root });
    await writeDurably(this.#files, join(this.#directory, CHECKPOINT), Buffer.from(note));
    await this.#confirm(note);
    this.#tree = tree;
    this.#bundle = bundle;
    this.#checkpoint = note;
    this.#root = root;
    // The full forms are covered now, so the partial ones serve nobody who cannot fall back to them.
    for (const { kind, index } of filled)
      await this.#files.remove(join(this.#directory, partialDirectory(kind, index)));
  }

  /** A signature is taken for good only when the public key says so: signing that fails must not fail silently. */
  #sign(checkpoint: Checkpoint): string {
    const note = signNote(encodeCheckpoint(checkpoint), this.#signer);
    const signed = openCheckpoint(note, this.#signer.verifier);
    if (signed.size !== checkpoint.size || !signed.root.equals(checkpoint.root)) {
      throw new GatewayError('RECORD_BROKEN', 'the checkpoint that was signed is not the one that was meant');
    }
    return note;
  }

  async #confirm(note: string): Promise<void> {
    const written = await this.#files.readWhole(join(this.#directory, CHECKPOINT));
    if (written === null || Buffer.from(written).toString() !== note) {
      throw new GatewayError('RECORD_BROKEN', 'the checkpoint on disk is not the one that was written');
    }
  }

  async #write(writes: readonly { readonly tile: Tile; readonly bytes: Buffer }[]): Promise<void> {
    const entered = new Set<string>();
    for (const { tile } of writes) await this.#enter(tile, entered);
    for (const { tile, bytes } of writes) {
      const file = await this.#files.open(join(this.#directory, tilePath(tile)), 'replace');
      try {
        await this.#files.write(file, bytes, 0);
        await this.#files.sync(file);
      } finally {
        await this.#files.close(file);
      }
    }
    await this.#syncDirectories(entered);
  }

  /** Makes a tile's directory. Partial tiles that a crash left there were never signed, and go. */
  async #enter(tile: Tile, entered: Set<string>): Promise<void> {
    const directory = dirname(join(this.#directory, tilePath(tile)));
    if (!entered.has(directory) && !this.#knownDirectories.has(directory)) {
      await this.#files.makeDirectory(directory);
      if (tile.width < TILE_WIDTH) await this.#dropUnsigned(tile, directory);
    }
    entered.add(directory);
  }

  /** The names of the files, and of every directory above them that may be new. */
  async #syncDirectories(entered: ReadonlySet<string>): Promise<void> {
    const directories = new Set(entered);
    for (const directory of entered) {
      if (this.#knownDirectories.has(directory)) continue;
      for (let above = directory; above.length > this.#directory.length; above = dirname(above)) directories.add(above);
      directories.add(this.#directory);
    }
    for (const directory of directories) await this.#files.syncDirectory(directory);
    // Known only when durable: after a failure everything is synced again.
    if (this.#knownDirectories.size >= DIRECTORIES_KNOWN_MAX) this.#knownDirectories.clear();
    for (const directory of entered) this.#knownDirectories.add(directory);
  }

  async #dropUnsigned(tile: Tile, directory: string): Promise<void> {
    const signed = tileWidth(this.#tree.size, tile.kind, tile.index);
    for (const { name } of await this.#files.list(directory)) {
      if (Number(name) > signed) await this.#files.remove(join(directory, name));
    }
  }
}

export interface PublishedState {
  readonly tree: Tree;
  readonly bundle: readonly Buffer[];
  readonly checkpoint: string;
}

interface Growth {
  readonly tree: Tree;
  readonly bundle: readonly Buffer[];
  /** Full tiles and bundles. */
  readonly writes: { readonly tile: Tile; readonly bytes: Buffer }[];
  readonly filled: readonly { readonly kind: TileKind; readonly index: number }[];
}

async function grow(before: Tree, entries: readonly Buffer[], leaves: readonly Buffer[]): Promise<Growth> {
  const tree = before.copy();
  const writes: { tile: Tile; bytes: Buffer }[] = [];
  const filled: { kind: TileKind; index: number }[] = [];
  let bundle = [...entries];
  for (const [number, leaf] of leaves.entries()) {
    // Hashing is the only long work of the record on the event loop, so it makes way for others.
    if (number % HASHES_AT_ONCE === HASHES_AT_ONCE - 1) await new Promise(setImmediate);
    bundle.push(lengthPrefixed(leaf));
    for (const { level, index, hashes } of tree.append(leafHashOf(leaf))) {
      writes.push({ tile: { kind: level, index, width: TILE_WIDTH }, bytes: hashes });
      filled.push({ kind: level, index });
      if (level > 0) continue;
      writes.push({ tile: { kind: 'entries', index, width: TILE_WIDTH }, bytes: Buffer.concat(bundle) });
      filled.push({ kind: 'entries', index });
      bundle = [];
    }
  }
  return { tree, bundle, writes, filled };
}

/** The partial tiles of a tree that an older one did not have. */
function edgeTiles(older: Tree, tree: Tree): readonly Tile[] {
  const tiles: Tile[] = [];
  for (let level = 0; level < levels(tree.size); level += 1) {
    const count = levelCount(tree.size, level);
    const index = Math.floor(count / TILE_WIDTH);
    const width = count % TILE_WIDTH;
    if (width === 0 || tileWidth(older.size, level, index) === width) continue;
    tiles.push({ kind: level, index, width });
    if (level === 0) tiles.push({ kind: 'entries', index, width });
  }
  return tiles;
}

/** An entry in a bundle: its length as a big-endian uint16, then its bytes. */
function lengthPrefixed(leaf: Buffer): Buffer {
  const prefixed = Buffer.allocUnsafe(leaf.length + 1);
  prefixed.writeUInt16BE(leaf.length - 1);
  leaf.copy(prefixed, 2, 1);
  return prefixed;
}

export const CHECKPOINT = 'checkpoint';
const HASHES_AT_ONCE = 128;
const DIRECTORIES_KNOWN_MAX = 10_000;
