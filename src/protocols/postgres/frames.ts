import { GatewayError } from '../../core/errors.ts';
import type { Limits } from '../../core/limits.ts';

/**
 * One message as it lies in a buffer: `buffer[start]` is the tag, `buffer.subarray(start + HEADER_BYTES, end)` the body.
 * Offsets, not copies: valid until the bytes that were pushed are overwritten. What the reader had to keep of an earlier
 * chunk lies in a buffer of its own, which it never writes to again.
 */
export interface Frame {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
  readonly buffer: Buffer;
  /**
   * `whole`, unless the tag is streamed and the message is cut: then `first` begins with the header, and `middle` and
   * `last` are bare continuations.
   */
  readonly piece: 'whole' | 'first' | 'middle' | 'last';
}

/** The longest length field that each tag may carry, by tag; 0: there is no such tag. */
export type FrameLimits = Uint32Array;

export const HEADER_BYTES = 5;
const EMPTY = Buffer.alloc(0);

/** The body of a whole frame, as a view. */
export function frameBody(frame: Frame): Buffer {
  return frame.buffer.subarray(frame.start + HEADER_BYTES, frame.end);
}

/** All of a frame or piece, header included where it has one, as a view. */
export function frameBytes(frame: Frame): Buffer {
  return frame.buffer.subarray(frame.start, frame.end);
}

/**
 * Cuts a stream of tagged messages into frames (manual, "Message Formats": a tag, a length that counts itself but not the
 * tag, a body), wherever it was cut on the way.
 *
 * ```
 * for (const frame of reader.read(bytes)) …
 * reader.push(bytes); while (reader.next()) …      // the same without an object for each message: the reader is the frame
 * ```
 *
 * Frames in front of a broken one are given before it throws. After a throw the stream has no known boundary any more, and
 * every further call throws the same.
 */
export class FrameReader implements Frame {
  tag = 0;
  start = 0;
  end = 0;
  buffer: Buffer = EMPTY;
  piece: Frame['piece'] = 'whole';
  /** What each tag may weigh. May change between frames (a password is short, a statement is not). */
  limits: FrameLimits;
  /** Tags whose messages are given in pieces as they come, neither held nor copied. May change between frames. */
  streamTags: ReadonlySet<number>;

  // The unread stream is kept[keptStart..keptEnd) followed by chunk[chunkOffset..). `kept` is ours, `chunk` is borrowed.
  private kept: Buffer = EMPTY;
  private keptStart = 0;
  private keptEnd = 0;
  private chunk: Buffer = EMPTY;
  private chunkOffset = 0;
  /** Bytes of a streamed message that are still to come. */
  private streaming = 0;
  private broken: GatewayError | null = null;

  /** A number is one limit for every tag. */
  constructor(limits: number | FrameLimits, streamTags: ReadonlySet<number> = NO_TAGS) {
    this.limits = typeof limits === 'number' ? new Uint32Array(256).fill(limits) : limits;
    this.streamTags = streamTags;
  }

  /** Bytes that came and are in no frame yet. */
  get held(): number {
    return this.keptEnd - this.keptStart + this.chunk.length - this.chunkOffset;
  }

  /** Between the pieces of a streamed message, where nothing of ours may be written. */
  get midFrame(): boolean {
    return this.streaming > 0;
  }

  /** The frames that are complete, in the order of the wire. A loop that is left early keeps the rest for the next call. */
  *read(bytes: Buffer): Generator<Frame, void, undefined> {
    this.push(bytes);
    try {
      while (this.next()) {
        yield { tag: this.tag, start: this.start, end: this.end, buffer: this.buffer, piece: this.piece };
      }
    } finally {
      this.keep();
    }
  }

  /** Lends bytes, until `next` has said false or `keep` was called. */
  push(bytes: Buffer): void {
    this.keep();
    this.chunk = bytes;
    this.chunkOffset = 0;
  }

  /** Moves to the next frame. False: there is none before more bytes come, and nothing of the pushed ones is needed. */
  next(): boolean {
    if (this.broken !== null) throw this.broken;
    if (this.streaming > 0) return this.continueStream();
    if (this.keptEnd > this.keptStart) return this.nextKept();
    const available = this.chunk.length - this.chunkOffset;
    const total = available < HEADER_BYTES ? HEADER_BYTES : this.measure(this.chunk, this.chunkOffset);
    if (available >= HEADER_BYTES && total <= available) return this.giveChunk(total, 'whole');
    if (available >= HEADER_BYTES && this.streamTags.has(this.chunk[this.chunkOffset] ?? 0)) {
      this.streaming = total - available;
      return this.giveChunk(available, 'first');
    }
    this.pull(available, total);
    return false;
  }

  /** Copies what was not read yet, so that the bytes last pushed may be overwritten. */
  keep(): void {
    const unread = this.chunk.length - this.chunkOffset;
    if (unread > 0) this.pull(unread, 0);
    this.chunk = EMPTY;
    this.chunkOffset = 0;
  }

  /** The next frame begins in what was kept: take no more of the chunk than completes it. */
  private nextKept(): boolean {
    const header = HEADER_BYTES - (this.keptEnd - this.keptStart);
    if (header > 0 && !this.pull(header, HEADER_BYTES)) return false;
    const total = this.measure(this.kept, this.keptStart);
    const lacking = total - (this.keptEnd - this.keptStart);
    if (lacking > 0 && this.streamTags.has(this.kept[this.keptStart] ?? 0)) {
      this.streaming = lacking;
      return this.giveKept(total - lacking, 'first');
    }
    if (lacking > 0 && !this.pull(lacking, total)) return false;
    return this.giveKept(total, 'whole');
  }

  private continueStream(): boolean {
    const kept = this.keptEnd - this.keptStart;
    const available = Math.min(this.streaming, kept > 0 ? kept : this.chunk.length - this.chunkOffset);
    if (available === 0) return false;
    this.streaming -= available;
    const piece = this.streaming === 0 ? 'last' : 'middle';
    return kept > 0 ? this.giveKept(available, piece) : this.giveChunk(available, piece);
  }

  /** The bytes of the frame whose header stands at `offset`, tag included; refused here, before any is held. */
  private measure(buffer: Buffer, offset: number): number {
    const tag = buffer[offset] ?? 0;
    const limit = this.limits[tag] ?? 0;
    const length = buffer.readInt32BE(offset + 1);
    if (limit > 0 && length >= LENGTH_BYTES && length <= limit) return length + 1;
    throw (this.broken = headerError(tag, length, limit));
  }

  private giveChunk(length: number, piece: Frame['piece']): true {
    // A continuation keeps the tag of its `first`.
    if (piece === 'whole' || piece === 'first') this.tag = this.chunk[this.chunkOffset] ?? 0;
    this.buffer = this.chunk;
    this.start = this.chunkOffset;
    this.end = this.chunkOffset += length;
    this.piece = piece;
    return true;
  }

  private giveKept(length: number, piece: Frame['piece']): true {
    if (piece === 'whole' || piece === 'first') this.tag = this.kept[this.keptStart] ?? 0;
    this.buffer = this.kept;
    this.start = this.keptStart;
    this.end = this.keptStart += length;
    this.piece = piece;
    if (this.keptStart === this.keptEnd) {
      this.kept = EMPTY;
      this.keptStart = this.keptEnd = 0;
    }
    return true;
  }

  /**
   * Copies `wanted` bytes of the chunk behind what is kept, or as many as there are; true: all of them. Room grows with
   * what has come, never with what a header claims (`expected`, which only bounds it), and bytes that a frame refers to
   * are never moved or written again.
   */
  private pull(wanted: number, expected: number): boolean {
    const taken = Math.min(wanted, this.chunk.length - this.chunkOffset);
    const live = this.keptEnd - this.keptStart;
    if (this.keptEnd + taken > this.kept.length) {
      const needed = live + taken;
      const roomy = Math.max(needed, live * 2, KEPT_BYTES_MIN);
      const larger = Buffer.allocUnsafe(expected > 0 ? Math.max(needed, Math.min(roomy, expected)) : roomy);
      this.kept.copy(larger, 0, this.keptStart, this.keptEnd);
      this.kept = larger;
      this.keptStart = 0;
      this.keptEnd = live;
    }
    this.chunk.copy(this.kept, this.keptEnd, this.chunkOffset, this.chunkOffset + taken);
    this.keptEnd += taken;
    this.chunkOffset += taken;
    return taken === wanted;
  }
}

/** Untagged packets, which come first on a connection: a length that counts itself, then a code and what belongs to it. */
export class StartupReader {
  private readonly bytes_max: number;
  private kept: Buffer = EMPTY;

  constructor(startup_bytes_max: number) {
    this.bytes_max = startup_bytes_max;
  }

  get held(): number {
    return this.kept.length;
  }

  /**
   * The body of one packet (for `decodeStartup`) and whatever came behind it, or `null` while it is incomplete. What comes
   * behind an SSLRequest or GSSENCRequest was written by nobody we know (CVE-2021-23214): it must be refused.
   */
  read(bytes: Buffer): { readonly body: Buffer; readonly rest: Buffer } | null {
    const all = this.kept.length === 0 ? bytes : Buffer.concat([this.kept, bytes]);
    if (all.length >= LENGTH_BYTES) {
      const length = all.readInt32BE(0);
      if (length < STARTUP_BYTES_MIN) throw wrongLength('a startup packet', length);
      if (length > this.bytes_max) throw tooLong('a startup packet', length, this.bytes_max);
      if (length <= all.length) {
        this.kept = EMPTY;
        return { body: all.subarray(LENGTH_BYTES, length), rest: all.subarray(length) };
      }
    }
    this.kept = this.kept.length === 0 ? Buffer.from(bytes) : all;
    return null;
  }
}

/**
 * What each tag of a client may weigh: PostgreSQL's own table (tcop/postgres.c, SocketBackend), with our limits.
 * A tag that is not listed is refused before its length is believed.
 */
export function frontendLimits(limits: Limits): FrameLimits {
  return table(['QPBFd', limits.message_bytes_max], ['CDEHSXcf', SHORT_BYTES_MAX], ['p', limits.password_bytes_max]);
}

/** What each tag of a target may weigh. */
export function backendLimits(limits: Limits): FrameLimits {
  return table(['dDTEVNAtCSGHW', limits.target_message_bytes_max], ['RKZI123nscv', BACKEND_SHORT_BYTES_MAX]);
}

/** The set of these letters, for `streamTags`. */
export function tags(letters: string): ReadonlySet<number> {
  return new Set(Buffer.from(letters, 'latin1'));
}

function table(...rows: readonly (readonly [letters: string, bytes_max: number])[]): FrameLimits {
  const limits = new Uint32Array(256);
  for (const [letters, bytes_max] of rows) {
    for (const tag of Buffer.from(letters, 'latin1')) limits[tag] = bytes_max;
  }
  return limits;
}

function headerError(tag: number, length: number, limit: number): GatewayError {
  const name = `message 0x${tag.toString(16).padStart(2, '0')}`;
  if (limit === 0) return new GatewayError('WIRE_MALFORMED', `${name}: there is no such message`, { tag });
  return length < LENGTH_BYTES ? wrongLength(name, length) : tooLong(name, length, limit);
}

function wrongLength(what: string, length: number): GatewayError {
  return new GatewayError('WIRE_MALFORMED', `${what}: a length of ${length} is impossible`, { length });
}

function tooLong(what: string, length: number, limit: number): GatewayError {
  return new GatewayError('WIRE_FRAME_TOO_LONG', `${what}: ${length} bytes, limit ${limit}`, { length, limit });
}

const LENGTH_BYTES = 4;
/** A length and a code. */
const STARTUP_BYTES_MIN = 8;
const KEPT_BYTES_MIN = 64;
/** PQ_SMALL_MESSAGE_LIMIT (libpq/libpq.h). */
const SHORT_BYTES_MAX = 10_000;
/** Beyond this libpq takes such a message for a lost boundary (fe-protocol3.c, VALID_LONG_MESSAGE_TYPE). */
const BACKEND_SHORT_BYTES_MAX = 30_000;
const NO_TAGS: ReadonlySet<number> = new Set();
