import { join } from 'node:path';
import type { EntryIndex, SessionId } from '../core/ids.ts';
import { type Frame, scanFrame, type Written } from './frame.ts';
import type { FileSystem, OpenFile } from './ports.ts';

/**
 * `audit/pending`: every entry with its sealed part, written before anything crosses, and kept until a signed checkpoint
 * covers the entry and its session's file holds the sealed part. A journal that is being retired is `pending.old`.
 */
export class Journal {
  readonly #files: FileSystem;
  readonly #directory: string;
  #current: Segment;
  #retired: Segment | null = null;
  #renamed = false;
  #syncing: Promise<void> | null = null;

  private constructor(files: FileSystem, directory: string, current: Segment) {
    this.#files = files;
    this.#directory = directory;
    this.#current = current;
  }

  /** Begins an empty one; what an earlier process left must have been replayed and removed before. */
  static async begin(files: FileSystem, directory: string): Promise<Journal> {
    return new Journal(files, directory, await newSegment(files, directory));
  }

  get bytes(): number {
    return this.#current.length;
  }

  get retiring(): boolean {
    return this.#retired !== null;
  }

  /**
   * One write(2). A write that fails leaves the length as it was, so the next one goes over whatever it left, and a
   * replay cuts it.
   */
  append(index: EntryIndex, written: Written, session: SessionId | null): void {
    const segment = this.#current;
    const { slab, offset, length } = written;
    let done = 0;
    while (done < length) {
      done += this.#files.writeNow(segment.file, slab, offset + done, length - done, segment.length + done);
    }
    if (segment.positions.length === 0) segment.firstIndex = index;
    segment.positions.push(segment.length);
    segment.sessions.push(session);
    segment.length += length;
    segment.unsynced = true;
  }

  /** Makes what has been appended so far durable, the older journal first: never a later entry without the earlier. */
  sync(): Promise<void> {
    this.#syncing ??= this.#syncSegments().finally(() => {
      this.#syncing = null;
    });
    return this.#syncing;
  }

  async #syncSegments(): Promise<void> {
    for (const segment of [this.#retired, this.#current]) {
      if (segment === null || !segment.unsynced) continue;
      // Before the call: what is appended while it runs is not promised by it.
      segment.unsynced = false;
      await this.#files.sync(segment.file);
    }
  }

  /** From here on entries go to a new file. The old one stays readable as `pending.old` until it is dropped. */
  async rotate(): Promise<void> {
    if (this.#retired !== null) throw new Error('the last retired journal is still there');
    if (!this.#renamed) await this.#files.rename(join(this.#directory, PENDING), join(this.#directory, PENDING_OLD));
    // What follows may fail and be tried again; until then entries go on to the old file under its new name.
    this.#renamed = true;
    // The old one must keep its entries under its new name before another takes the name it had.
    await this.#files.syncDirectory(this.#directory);
    const next = await newSegment(this.#files, this.#directory);
    this.#renamed = false;
    this.#retired = this.#current;
    this.#current = next;
  }

  /** The frames of the retired journal by session. */
  async retired(): Promise<ReadonlyMap<SessionId | null, readonly Frame[]>> {
    if (this.#retired === null) return new Map();
    const { sessions } = this.#retired;
    const bytes = Buffer.allocUnsafeSlow(this.#retired.length);
    await this.#files.read(this.#retired.file, bytes, 0);
    const { frames, end } = framesOf(bytes);
    if (end !== bytes.length) throw new Error(`the journal reads back damaged at byte ${end}`);
    return Map.groupBy(frames, (_, number) => sessions[number] ?? null);
  }

  async dropRetired(): Promise<void> {
    const retired = this.#retired;
    if (retired === null) return;
    await this.#files.remove(join(this.#directory, PENDING_OLD));
    this.#retired = null;
    // A sync under way may still hold the file.
    await this.#syncing?.catch(() => undefined);
    await this.#files.close(retired.file);
  }

  /** The stored sealed part of an entry that is still journalled. */
  async stored(index: EntryIndex): Promise<{ readonly encrypted: boolean; readonly stored: Buffer } | null> {
    for (const segment of [this.#current, this.#retired]) {
      const number = segment === null ? -1 : index - segment.firstIndex;
      const position = segment?.positions[number];
      if (segment === null || position === undefined) continue;
      const bytes = Buffer.allocUnsafe((segment.positions[number + 1] ?? segment.length) - position);
      await this.#files.read(segment.file, bytes, position);
      const scan = scanFrame(bytes, 0);
      if (scan.kind === 'frame' && scan.frame.index === index) return scan.frame;
    }
    return null;
  }

  async close(): Promise<void> {
    await this.#syncing?.catch(() => undefined);
    await this.#files.close(this.#current.file);
    if (this.#retired !== null) await this.#files.close(this.#retired.file);
  }
}

/** What follows the last whole frame. `torn`: the file ends inside one, as after a crash. `damaged`: anything else. */
export type Rest = 'none' | 'torn' | 'damaged';

export interface Replayed {
  readonly frames: readonly Frame[];
  /** How far the file is whole. */
  readonly end: number;
  readonly size: number;
  readonly rest: Rest;
  readonly restBytes: Buffer;
}

/** Reads a journal that another process has left. */
export async function replayJournal(files: FileSystem, path: string): Promise<Replayed> {
  const bytes = Buffer.from((await files.readWhole(path)) ?? new Uint8Array(0));
  const { frames, end, rest } = framesOf(bytes);
  return { frames, end, size: bytes.length, rest, restBytes: bytes.subarray(end) };
}

export function framesOf(bytes: Buffer): { frames: Frame[]; end: number; rest: Rest } {
  const frames: Frame[] = [];
  let end = 0;
  for (;;) {
    const scan = scanFrame(bytes, end);
    if (scan.kind === 'end') return { frames, end, rest: 'none' };
    if (scan.kind !== 'frame') return { frames, end, rest: scan.kind };
    frames.push(scan.frame);
    end = scan.frame.end;
  }
}

export const PENDING = 'pending';
export const PENDING_OLD = 'pending.old';

interface Segment {
  readonly file: OpenFile;
  readonly positions: number[];
  readonly sessions: (SessionId | null)[];
  firstIndex: EntryIndex;
  length: number;
  unsynced: boolean;
}

/** Durable with its name before anything is in it. */
async function newSegment(files: FileSystem, directory: string): Promise<Segment> {
  const file = await files.open(join(directory, PENDING), 'replace');
  try {
    await files.sync(file);
    await files.syncDirectory(directory);
  } catch (error) {
    await files.close(file);
    throw error;
  }
  return { file, positions: [], sessions: [], firstIndex: 0, length: 0, unsynced: false };
}
