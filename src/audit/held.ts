import type { EntryIndex, SessionId } from '../core/ids.ts';
import { ENCRYPTED_AT, HEADER_BYTES, type Written } from './frame.ts';

/** Frames in one buffer, as they were journalled. Those from `from` up to but without `to` are meant. */
export interface FrameRun {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
  readonly starts: readonly number[];
  /** Where 0x00 ‖ entry begins, which goes to the end of the frame. */
  readonly leaves: readonly number[];
  readonly ends: readonly number[];
  readonly sessions: readonly (SessionId | null)[];
}

/**
 * The entries that are not yet where they will stay, in the buffers they were written from: nothing that is published or
 * moved to its session's file has to be read back, and an entry costs four numbers and no object of its own.
 */
export class Held {
  readonly #slabs: Slab[] = [];
  readonly #recycle: (bytes: Buffer) => void;
  #from: EntryIndex;
  #bytes = 0;

  /** `recycle` gets buffers that nothing here refers to any more. */
  constructor(from: EntryIndex, recycle: (bytes: Buffer) => void) {
    this.#from = from;
    this.#recycle = recycle;
  }

  /** Bytes of all that is held. */
  get bytes(): number {
    return this.#bytes;
  }

  add(index: EntryIndex, written: Written, session: SessionId | null): void {
    const { slab: bytes, offset, length, leafAt } = written;
    let slab = this.#slabs.at(-1);
    if (slab === undefined || slab.bytes !== bytes) {
      slab = { bytes, first: index, starts: [], leaves: [], ends: [], sessions: [] };
      this.#slabs.push(slab);
    }
    slab.starts.push(offset);
    slab.leaves.push(leafAt);
    slab.ends.push(offset + length);
    slab.sessions.push(session);
    this.#bytes += length;
  }

  /** Entries `from` up to but without `to`, which must be held, in their order. */
  *runs(from: EntryIndex, to: EntryIndex): Generator<FrameRun> {
    for (const { first, ...slab } of this.#slabs) {
      const run = { ...slab, from: Math.max(0, from - first), to: Math.min(slab.starts.length, to - first) };
      if (run.from < run.to) yield run;
    }
  }

  /** How many bytes the frames of entries `from` up to but without `to` are. */
  length(from: EntryIndex, to: EntryIndex): number {
    let length = 0;
    for (const run of this.runs(from, to)) {
      for (let number = run.from; number < run.to; number += 1) {
        length += (run.ends[number] ?? 0) - (run.starts[number] ?? 0);
      }
    }
    return length;
  }

  /** 0x00 ‖ entry, copied: the buffer it lies in will be used again. */
  leaf(index: EntryIndex): Buffer | null {
    const found = this.#find(index);
    if (found === null) return null;
    const { slab, number } = found;
    return Buffer.from(slab.bytes.subarray(slab.leaves[number], slab.ends[number]));
  }

  /** The stored sealed part. */
  stored(index: EntryIndex): { readonly encrypted: boolean; readonly stored: Buffer } | null {
    const found = this.#find(index);
    if (found === null) return null;
    const { slab, number } = found;
    const start = slab.starts[number] ?? 0;
    return {
      encrypted: slab.bytes[start + ENCRYPTED_AT] === 1,
      stored: Buffer.from(slab.bytes.subarray(start + HEADER_BYTES, slab.leaves[number])),
    };
  }

  /** Entries before `to` are where they will stay. */
  release(to: EntryIndex): void {
    if (to <= this.#from) return;
    this.#bytes -= this.length(this.#from, to);
    this.#from = to;
    // The last buffer is still being filled.
    for (let slab = this.#slabs[0]; slab !== undefined && this.#slabs.length > 1; slab = this.#slabs[0]) {
      if (slab.first + slab.starts.length > to) return;
      this.#slabs.shift();
      this.#recycle(slab.bytes);
    }
  }

  #find(index: EntryIndex): { readonly slab: Slab; readonly number: number } | null {
    if (index < this.#from) return null;
    const slab = this.#slabs.findLast(({ first }) => first <= index);
    const number = slab === undefined ? -1 : index - slab.first;
    return slab === undefined || number >= slab.starts.length ? null : { slab, number };
  }
}

interface Slab {
  readonly bytes: Buffer;
  readonly first: EntryIndex;
  readonly starts: number[];
  readonly leaves: number[];
  readonly ends: number[];
  readonly sessions: (SessionId | null)[];
}
