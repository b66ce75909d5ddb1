import { join } from 'node:path';
import { GatewayError } from '../core/errors.ts';
import { BundleWriter } from './bundle.ts';
import type { FrameRun } from './held.ts';
import { writeDurably } from './keys.ts';
import { type Checkpoint, encodeCheckpoint, openCheckpoint, type SignerKey, signNote } from './note.ts';
import type { FileSystem } from './ports.ts';
import { type TileHomes, TileWriter } from './tile-writer.ts';
import { levelCount, levels, TILE_WIDTH, type Tile, tileWidth } from './tiles.ts';
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
  #bundle: Buffer;
  #checkpoint: string;
  #root: Buffer;
  readonly #homes: TileHomes = new Map();

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

  /** Publishes the entries that follow. Whatever fails, the state stays that of the last checkpoint. */
  async publish(entries: Iterable<FrameRun>): Promise<void> {
    const before = this.#tree;
    const tree = before.copy();
    const bundle = new BundleWriter(this.#bundle);
    const writer = new TileWriter(this.#files, this.#directory, before.size, this.#homes);
    let filled: readonly Tile[];
    try {
      filled = await this.#grow(tree, bundle, entries, writer);
      for (const tile of edgeTiles(before, tree)) {
        await writer.write(tile, tile.kind === 'entries' ? bundle.bytes() : tree.edge(tile.kind));
      }
      await writer.finish();
    } catch (error) {
      await writer.abandon();
      // What is half written must go before the next checkpoint, and what is not durable be synced again.
      this.#homes.clear();
      throw error;
    }
    const root = tree.root();
    const note = this.#sign({ origin: this.#signer.verifier.name, size: tree.size, root });
    await writeDurably(this.#files, join(this.#directory, CHECKPOINT), Buffer.from(note));
    await this.#confirm(note);
    this.#tree = tree;
    this.#bundle = bundle.bytes();
    this.#checkpoint = note;
    this.#root = root;
    // The full forms are covered now, so the partial ones serve nobody who cannot fall back to them.
    for (const tile of filled) await writer.dropPartial(tile);
  }

  async #grow(
    tree: Tree,
    bundle: BundleWriter,
    entries: Iterable<FrameRun>,
    writer: TileWriter,
  ): Promise<readonly Tile[]> {
    const filled: Tile[] = [];
    for (const { bytes, leaves, ends, from, to } of entries) {
      for (let number = from; number < to; number += 1) {
        const [start, end] = [leaves[number] ?? 0, ends[number] ?? 0];
        bundle.add(bytes, start + 1, end);
        const full = tree.appendLeaf(bytes.subarray(start, end));
        if (full.length === 0) continue;
        for (const { level, index, hashes } of full) {
          const tile = { kind: level, index, width: TILE_WIDTH };
          filled.push(tile);
          await writer.write(tile, hashes);
          if (level > 0) continue;
          filled.push({ ...tile, kind: 'entries' });
          await writer.write({ ...tile, kind: 'entries' }, bundle.bytes());
          bundle.clear();
        }
        // Hashing is the only long work of the record on the event loop, so it makes way for others.
        await new Promise(setImmediate);
      }
    }
    return filled;
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
}

export interface PublishedState {
  readonly tree: Tree;
  /** The entries of the last, partial bundle, each with its length in front. */
  readonly bundle: Buffer;
  readonly checkpoint: string;
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

export const CHECKPOINT = 'checkpoint';
