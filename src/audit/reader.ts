import { join } from 'node:path';
import { GatewayError } from '../core/errors.ts';
import type { EntryIndex, SessionId } from '../core/ids.ts';
import { readTile, splitBundle } from './bundle.ts';
import { type LogEntry, parseEntry } from './entry.ts';
import type { Frame } from './frame.ts';
import { sha256 } from './hash.ts';
import type { FileSystem } from './ports.ts';
import { CHECKPOINT } from './publisher.ts';
import type { SealedStore } from './sealed.ts';
import type { Sealed } from './stage.ts';
import { replayAll } from './state.ts';
import { TILE_WIDTH } from './tiles.ts';

export interface StoredEntry {
  readonly index: EntryIndex;
  readonly bytes: Buffer;
  readonly entry: LogEntry;
  /** `null` when it is not there to be read: see `commitment`. */
  readonly sealed: Sealed | null;
  readonly commitment: CommitmentState;
}

/** Whether the sealed part is the one that the entry commits to. `absent`: erased; `locked`: no key to open it. */
export type CommitmentState = 'fits' | 'broken' | 'absent' | 'locked';

/** The entries that are not in the tiles yet. */
export interface Unpublished {
  /** How many entries there are, published or not. */
  size(): number;
  /** How many the checkpoint covers. */
  published(): number;
  /** 0x00 ‖ entry. */
  leaf(index: EntryIndex): Buffer | null;
  stored(index: EntryIndex): Promise<{ readonly encrypted: boolean; readonly stored: Buffer } | null>;
}

/** Reads entries with their sealed parts: from the tiles, from the journal, from the sessions' files. */
export class LogReader {
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #sealed: SealedStore;
  readonly #unpublished: Unpublished;
  readonly #sessions = new Map<SessionId | null, ReadonlyMap<EntryIndex, Frame>>();

  constructor(files: FileSystem, directory: string, sealed: SealedStore, unpublished: Unpublished) {
    this.#files = files;
    this.#directory = directory;
    this.#sealed = sealed;
    this.#unpublished = unpublished;
  }

  get size(): number {
    return this.#unpublished.size();
  }

  /** Entries `from` up to but without `to`. */
  async *range(from: EntryIndex, to: EntryIndex): AsyncGenerator<StoredEntry> {
    for await (const { index, bytes } of this.bytes(indexes(from, to))) yield await this.#stored(index, bytes);
  }

  /** These entries, in the order given. */
  async *these(entries: Iterable<EntryIndex>): AsyncGenerator<StoredEntry> {
    for await (const { index, bytes } of this.bytes(entries)) yield await this.#stored(index, bytes);
  }

  async entry(index: EntryIndex): Promise<StoredEntry | null> {
    if (index < 0 || index >= this.size) return null;
    for await (const stored of this.these([index])) return stored;
    return null;
  }

  /** The public part alone. */
  async *envelopes(
    from: EntryIndex,
    to: EntryIndex,
  ): AsyncGenerator<{ readonly index: EntryIndex; readonly entry: LogEntry }> {
    for await (const { index, bytes } of this.bytes(indexes(from, to))) yield { index, entry: parseEntry(bytes) };
  }

  /** The entries as they lie in the tree, nothing opened. */
  async *bytes(entries: Iterable<EntryIndex>): AsyncGenerator<{ readonly index: EntryIndex; readonly bytes: Buffer }> {
    let bundle: { readonly number: number; readonly entries: readonly Buffer[] } = { number: -1, entries: [] };
    for (const index of entries) {
      if (index >= this.size) return;
      const number = Math.floor(index / TILE_WIDTH);
      const leaf = this.#unpublished.leaf(index);
      if (leaf !== null) {
        yield { index, bytes: leaf.subarray(1) };
        continue;
      }
      if (bundle.number !== number || index % TILE_WIDTH >= bundle.entries.length) {
        bundle = { number, entries: await this.#bundle(number) };
      }
      const bytes = bundle.entries[index % TILE_WIDTH];
      if (bytes === undefined) throw new GatewayError('RECORD_BROKEN', `entry ${index} is missing from its bundle`);
      yield { index, bytes };
    }
  }

  async #bundle(number: number): Promise<readonly Buffer[]> {
    // While it is looked for, a partial bundle may be replaced by a wider one.
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const found = await readTile(this.#files, this.#directory, this.#unpublished.published(), 'entries', number);
      if (found !== null) return splitBundle(found.bytes).entries;
    }
    throw new GatewayError('RECORD_BROKEN', `bundle ${number} of the entries is missing`);
  }

  async #stored(index: EntryIndex, bytes: Buffer): Promise<StoredEntry> {
    const entry = parseEntry(bytes);
    const found = await this.#find(entry.session, index);
    if (found === null) return { index, bytes, entry, sealed: null, commitment: 'absent' };
    const plain = found.encrypted ? this.#sealed.decrypt(entry.session, index, found.stored) : found.stored;
    if (plain === null) return { index, bytes, entry, sealed: null, commitment: 'locked' };
    if (sha256(plain).toString('hex') !== entry.commitment)
      return { index, bytes, entry, sealed: null, commitment: 'broken' };
    const opened = await this.#sealed.open(entry.session, index, plain, found.encrypted);
    return { index, bytes, entry, sealed: opened.is === 'fits' ? opened.sealed : null, commitment: opened.is };
  }

  async #find(session: SessionId | null, index: EntryIndex): Promise<{ encrypted: boolean; stored: Buffer } | null> {
    const journalled = await this.#unpublished.stored(index);
    if (journalled !== null) return journalled;
    const known = this.#sessions.get(session)?.get(index);
    if (known !== undefined) return known;
    // A session's file grows, so what is not found is looked for again.
    const { frames } = await this.#sealed.load(session);
    this.#sessions.delete(session);
    this.#sessions.set(session, frames);
    if (this.#sessions.size > SESSIONS_OPEN_MAX) this.#sessions.delete(this.#sessions.keys().next().value ?? null);
    return frames.get(index) ?? null;
  }

  /** Nothing read before is used again: after an erasure it must not be. */
  forget(): void {
    this.#sessions.clear();
  }
}

/** What an earlier process left in its journals, for reading a log that nobody writes. */
export async function offlineUnpublished(files: FileSystem, directory: string): Promise<Unpublished> {
  const note = await files.readWhole(join(directory, CHECKPOINT));
  const published = Number(
    Buffer.from(note ?? new Uint8Array(0))
      .toString()
      .split('\n')[1] ?? 0,
  );
  const frames = new Map<EntryIndex, Frame>();
  let size = published;
  for (const { frames: replayed } of await replayAll(files, directory)) {
    for (const frame of replayed) {
      if (frame.index > size) continue;
      frames.set(frame.index, frame);
      size = Math.max(size, frame.index + 1);
    }
  }
  return {
    size: () => size,
    published: () => published,
    leaf: (index) => (index < published ? null : (frames.get(index)?.leaf ?? null)),
    stored: async (index) => frames.get(index) ?? null,
  };
}

/** `from` up to but without `to`. */
function* indexes(from: EntryIndex, to: EntryIndex): Generator<EntryIndex> {
  for (let index = Math.max(0, from); index < to; index += 1) yield index;
}

const ATTEMPTS = 3;
const SESSIONS_OPEN_MAX = 16;
