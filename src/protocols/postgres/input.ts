import type { Limits } from '../../core/limits.ts';
import { FrameReader, frontendLimits, HEADER_BYTES, tags } from './frames.ts';

/** One message of the client, in bytes that nobody overwrites. */
export interface ClientFrame {
  readonly tag: number;
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  /** CopyData may come in pieces, of which only the first has a header. */
  readonly piece: 'whole' | 'first' | 'middle' | 'last';
}

/**
 * What the client has sent and nobody has dealt with yet. The bytes are copied once when they come, so that actions, which
 * may wait for minutes, can point into them.
 */
export class ClientInput {
  private readonly reader: FrameReader;
  private parked: ClientFrame[] = [];
  private parkedAt = 0;
  private parked_bytes = 0;

  constructor(limits: Limits) {
    this.reader = new FrameReader(frontendLimits(limits), NONE);
  }

  /** Bytes that wait. */
  get held_bytes(): number {
    return this.reader.held + this.parked_bytes;
  }

  push(bytes: Buffer): void {
    this.reader.push(Buffer.from(bytes));
  }

  /** The next message, or `null` while none is complete. Throws WIRE_* at a broken boundary. */
  next(): ClientFrame | null {
    const parked = this.parked[this.parkedAt];
    if (parked !== undefined) {
      this.parkedAt += 1;
      this.parked_bytes -= parked.end - parked.start;
      if (this.parkedAt === this.parked.length) {
        this.parked = [];
        this.parkedAt = 0;
      }
      return parked;
    }
    return this.read();
  }

  /**
   * Takes the messages that are complete out of the stream without dealing with them, and says whether one of them has
   * this tag. They come back from `next` in order.
   */
  park(tag: number): boolean {
    let found = false;
    for (let frame = this.read(); frame !== null; frame = this.read()) {
      this.parked.push(frame);
      this.parked_bytes += frame.end - frame.start;
      if (frame.tag === tag) found = true;
    }
    return found;
  }

  /** Whether CopyData is given in pieces, as it comes. */
  stream(copyData: boolean): void {
    this.reader.streamTags = copyData ? COPY_DATA : NONE;
  }

  private read(): ClientFrame | null {
    const { reader } = this;
    if (!reader.next()) return null;
    return {
      tag: reader.tag,
      buffer: reader.buffer,
      start: reader.start,
      end: reader.end,
      piece: reader.piece,
    };
  }
}

export function clientBody(frame: ClientFrame): Buffer {
  return frame.buffer.subarray(frame.start + HEADER_BYTES, frame.end);
}

const NONE: ReadonlySet<number> = new Set();
const COPY_DATA = tags('d');
