import { join } from 'node:path';
import type { EntryIndex } from '../core/ids.ts';
import { type Frame, scanFrame, type Written } from './frame.ts';
import type { FileSystem, OpenFile } from './ports.ts';

/**
 * `audit/pending.N`: every entry with its sealed part, written before anything crosses, and kept until a signed
 * checkpoint covers the entry and its session's file holds the sealed part.
 *
 * A file is filled with zeros and synced before it is used, and the next one is made ready meanwhile. Writing behind the
 * end of a file would wait for the file system's own journal whenever a sync runs, for tens of milliseconds; within it,
 * nothing but data is written and synced. Where no file is ready, the present one simply grows.
 */
export class Journal {
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #segment_bytes_max: number;
  #current: Segment;
  /** Oldest first. */
  #closed: Segment[] = [];
  #spare: Segment | null = null;
  #preparing: Promise<void> | null = null;
  #number = 0;
  #spare_bytes: number;
  #sparing = true;

  private constructor(files: FileSystem, directory: string, segment_bytes_max: number, current: Segment) {
    this.#files = files;
    this.#directory = directory;
    this.#segment_bytes_max = segment_bytes_max;
    this.#current = current;
    this.#number = current.number;
    this.#spare_bytes = Math.min(SEGMENT_BYTES_MIN, segment_bytes_max);
  }

  /** Begins an empty one; what an earlier process left must have been replayed and removed before. */
  static async begin(files: FileSystem, directory: string, segment_bytes_max: number): Promise<Journal> {
    const room = Math.min(SEGMENT_BYTES_MIN, segment_bytes_max);
    const first = await newSegment(files, directory, 1, room).catch(() => newSegment(files, directory, 1, 0));
    return new Journal(files, directory, segment_bytes_max, first);
  }

  /** Bytes in the file that is being written. */
  get bytes(): number {
    return this.#current.length;
  }

  /** The number of the file that is being written. */
  get number(): number {
    return this.#current.number;
  }

  get retiring(): boolean {
    return this.#closed.length > 0;
  }

  /** Entries before this one lie in files that are written no more. */
  get closedEnd(): EntryIndex {
    return this.#closed.at(-1)?.end ?? 0;
  }

  /** On a full disk no space is taken for what may not come. */
  set sparing(sparing: boolean) {
    this.#sparing = sparing;
  }

  /**
   * One write(2). A write that fails leaves the length as it was, so the next one goes over whatever it left, and a
   * replay cuts it.
   */
  append(index: EntryIndex, written: Written): void {
    const { slab, offset, length } = written;
    if (this.#current.length + length > this.#current.room && this.#spare !== null && this.#current.length > 0) {
      this.#takeSpare(this.#spare);
      void this.prepare();
    }
    const segment = this.#current;
    let done = 0;
    while (done < length) {
      done += this.#files.writeNow(segment.file, slab, offset + done, length - done, segment.length + done);
    }
    segment.length += length;
    segment.end = index + 1;
    segment.unsynced = true;
  }

  /** Makes what has been appended so far durable, the older files first: never a later entry without the earlier. */
  async sync(): Promise<void> {
    for (const segment of [...this.#closed, this.#current]) {
      // What was dropped while another was synced is durable where it went.
      if (!segment.unsynced || segment.dropped) continue;
      // Before the call: what is appended while it runs is not promised by it.
      segment.unsynced = false;
      segment.users += 1;
      try {
        await this.#files.sync(segment.file);
      } finally {
        segment.users -= 1;
        if (segment.users === 0 && segment.dropped) await this.#files.close(segment.file);
      }
    }
  }

  /** From here on entries go to another file. */
  async rotate(): Promise<void> {
    const ending = this.#current;
    await this.prepare();
    // An entry may have filled it in the meantime.
    if (this.#current !== ending) return;
    const next = this.#spare ?? (await newSegment(this.#files, this.#directory, this.#nextNumber(), 0));
    this.#takeSpare(next);
  }

  /** Makes the next file ready. That this fails is no failure of the record: it goes on without. */
  prepare(): Promise<void> {
    if (this.#spare !== null || !this.#sparing) return this.#preparing ?? Promise.resolve();
    this.#preparing ??= newSegment(this.#files, this.#directory, this.#nextNumber(), this.#spare_bytes).then(
      (segment) => {
        this.#spare = segment;
        this.#preparing = null;
      },
      () => {
        this.#preparing = null;
      },
    );
    return this.#preparing;
  }

  /** Removes the files whose entries are all before `end`. */
  async drop(end: EntryIndex): Promise<void> {
    for (let segment = this.#closed[0]; segment !== undefined && segment.end <= end; segment = this.#closed[0]) {
      await this.#files.remove(join(this.#directory, journalName(segment.number)));
      this.#closed.shift();
      segment.dropped = true;
      // A sync under way may still hold the file, and closes it.
      if (segment.users === 0) await this.#files.close(segment.file);
    }
  }

  /** Lets the files go, and removes those in which there is nothing. */
  async close(): Promise<void> {
    this.#sparing = false;
    await this.#preparing;
    const spare = this.#spare === null ? [] : [this.#spare];
    for (const segment of [...this.#closed, this.#current, ...spare]) {
      segment.dropped = true;
      if (segment.users === 0) await this.#files.close(segment.file);
      if (segment.length === 0) await this.#files.remove(join(this.#directory, journalName(segment.number)));
    }
  }

  #takeSpare(next: Segment): void {
    // As much as twice what the last one took, so that a quiet gateway does not fill files with zeros for nothing.
    const wanted_bytes = Math.max(SEGMENT_BYTES_MIN, 2 * this.#current.length);
    this.#spare_bytes = Math.min(wanted_bytes, this.#segment_bytes_max);
    this.#closed.push(this.#current);
    this.#current = next;
    this.#spare = null;
  }

  #nextNumber(): number {
    this.#number += 1;
    return this.#number;
  }
}

/** What follows the last whole frame. `torn`: the file ends inside one, as after a crash. `damaged`: anything else. */
export type Rest = 'none' | 'torn' | 'damaged';

export interface Replayed {
  readonly bytes: Buffer;
  readonly frames: readonly Frame[];
  /** How far the file is whole. */
  readonly end: number;
  readonly rest: Rest;
  readonly restBytes: Buffer;
}

/** Reads a journal that another process has left. */
export async function replayJournal(files: FileSystem, path: string): Promise<Replayed> {
  const whole = Buffer.from((await files.readWhole(path)) ?? new Uint8Array(0));
  // The zeros are room that was never written to: a frame ends with the end of its entry, which is none.
  let length = whole.length;
  while (length > 0 && whole[length - 1] === 0) length -= 1;
  const bytes = whole.subarray(0, length);
  const { frames, end, rest } = framesOf(bytes);
  return { bytes, frames, end, rest, restBytes: bytes.subarray(end) };
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

/** The journal's files in the order they were written. */
export async function journalNames(files: FileSystem, directory: string): Promise<readonly string[]> {
  const names = (await files.list(directory)).map(({ name }) => name).filter(isJournalName);
  return names.sort((one, other) => numberOf(one) - numberOf(other));
}

export function isJournalName(name: string): boolean {
  return NAME.test(name);
}

function journalName(number: number): string {
  return `pending.${number}`;
}

function numberOf(name: string): number {
  return Number(name.slice('pending.'.length));
}

interface Segment {
  readonly number: number;
  readonly file: OpenFile;
  /** Bytes that are there to be written over. */
  readonly room: number;
  length: number;
  /** The index after that of its last entry. */
  end: EntryIndex;
  unsynced: boolean;
  /** Syncs under way. */
  users: number;
  dropped: boolean;
}

/** A file full of zeros, durable with its name before anything is in it. */
async function newSegment(files: FileSystem, directory: string, number: number, room: number): Promise<Segment> {
  const path = join(directory, journalName(number));
  const file = await files.open(path, 'replace');
  try {
    for (let at = 0; at < room; at += ZEROS.length) {
      await files.write(file, ZEROS.subarray(0, Math.min(ZEROS.length, room - at)), at);
    }
    await files.sync(file);
    await files.syncDirectory(directory);
  } catch (error) {
    await files.close(file);
    await files.remove(path);
    throw error;
  }
  return { number, file, room, length: 0, end: 0, unsynced: false, users: 0, dropped: false };
}

const NAME = /^pending\.[1-9]\d{0,14}$/;
const SEGMENT_BYTES_MIN = 64 * 1024;
/** Not more at once: a file system that keeps what was written at once in one large page searches all of it later. */
const ZEROS = Buffer.alloc(64 * 1024);
