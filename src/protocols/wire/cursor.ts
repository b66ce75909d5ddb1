import { GatewayError } from '../../core/errors.ts';

/**
 * Reads a body from front to back. Every read is checked: past the end it throws WIRE_MALFORMED with the offset, so that
 * a decoder needs no length checks of its own. Integers are big-endian unless the name says `LE`.
 *
 * What `bytes`, `cstringBytes` and `rest` return are views: they live as long as the buffer they were cut from.
 */
export class Cursor {
  readonly buffer: Buffer;
  readonly end: number;
  /** Where the next read begins. */
  offset: number;

  constructor(buffer: Buffer, start = 0, end = buffer.length) {
    this.buffer = buffer;
    this.offset = start;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  u8(what: string): number {
    return this.buffer.readUInt8(this.advance(1, what));
  }

  u16(what: string): number {
    return this.buffer.readUInt16BE(this.advance(2, what));
  }

  i16(what: string): number {
    return this.buffer.readInt16BE(this.advance(2, what));
  }

  u32(what: string): number {
    return this.buffer.readUInt32BE(this.advance(4, what));
  }

  i32(what: string): number {
    return this.buffer.readInt32BE(this.advance(4, what));
  }

  u16LE(what: string): number {
    return this.buffer.readUInt16LE(this.advance(2, what));
  }

  u24LE(what: string): number {
    return this.buffer.readUIntLE(this.advance(3, what), 3);
  }

  u32LE(what: string): number {
    return this.buffer.readUInt32LE(this.advance(4, what));
  }

  bytes(length: number, what: string): Buffer {
    if (length < 0) throw malformed(what, this.offset, `has a length of ${length}`);
    const start = this.advance(length, what);
    return this.buffer.subarray(start, this.offset);
  }

  /** The bytes up to a NUL, which is consumed and not returned. */
  cstringBytes(what: string): Buffer {
    const start = this.offset;
    const nul = this.buffer.indexOf(0, start);
    if (nul === -1 || nul >= this.end) throw malformed(what, start, 'has no terminating NUL');
    this.offset = nul + 1;
    return this.buffer.subarray(start, nul);
  }

  /** A NUL-terminated word of the protocol: valid UTF-8 or WIRE_ENCODING. */
  cstring(what: string): string {
    // Most names are empty (the unnamed statement and portal), and then there is nothing to look for or decode.
    if (this.offset < this.end && this.buffer[this.offset] === 0) {
      this.offset += 1;
      return '';
    }
    return utf8(this.cstringBytes(what), what);
  }

  /**
   * Fails unless `count` things of at least `bytesEach` can still follow. Called before anything is allocated for them:
   * 65,535 parameters claimed in ten bytes cost nothing.
   */
  room(count: number, bytesEach: number, what: string): void {
    if (count * bytesEach > this.remaining) {
      throw malformed(what, this.offset, `are ${count}, which cannot stand in the ${this.remaining} bytes that follow`);
    }
  }

  rest(): Buffer {
    const start = this.offset;
    this.offset = this.end;
    return this.buffer.subarray(start, this.end);
  }

  /** The body ends here. What follows would be read by one side and not by the other. */
  done(what: string): void {
    if (this.offset !== this.end) throw malformed(what, this.offset, `has ${this.remaining} bytes behind its end`);
  }

  private advance(length: number, what: string): number {
    const start = this.offset;
    if (length > this.end - start) throw malformed(what, start, `ends ${length - (this.end - start)} bytes early`);
    this.offset = start + length;
    return start;
  }
}

/** Strict UTF-8, byte order mark kept: what a decoder turned into U+FFFD could not be compared or sent on. */
export function utf8(bytes: Buffer, what: string): string {
  try {
    return STRICT_UTF8.decode(bytes);
  } catch {
    throw new GatewayError('WIRE_ENCODING', `${what} is not valid UTF-8`, { what });
  }
}

export function malformed(what: string, offset: number, problem: string): GatewayError {
  return new GatewayError('WIRE_MALFORMED', `${what} ${problem} (offset ${offset})`, { what, offset });
}

const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
