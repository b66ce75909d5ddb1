import { GatewayError } from '../../core/errors.ts';

/**
 * Builds messages in one growing buffer. Integers are big-endian unless the name says `LE`. Values that do not fit throw a
 * RangeError: what is encoded was decoded or built by us, so that is a bug and not somebody's bad input.
 */
export class Writer {
  private buffer: Buffer;
  private length = 0;

  constructor(capacity_bytes = 256) {
    this.buffer = Buffer.allocUnsafe(capacity_bytes);
  }

  /** Bytes written so far. */
  get written(): number {
    return this.length;
  }

  u8(value: number): this {
    const start = this.grow(1);
    this.buffer.writeUInt8(value, start);
    return this;
  }

  u16(value: number): this {
    const start = this.grow(2);
    this.buffer.writeUInt16BE(value, start);
    return this;
  }

  i16(value: number): this {
    const start = this.grow(2);
    this.buffer.writeInt16BE(value, start);
    return this;
  }

  u32(value: number): this {
    const start = this.grow(4);
    this.buffer.writeUInt32BE(value, start);
    return this;
  }

  i32(value: number): this {
    const start = this.grow(4);
    this.buffer.writeInt32BE(value, start);
    return this;
  }

  u16LE(value: number): this {
    const start = this.grow(2);
    this.buffer.writeUInt16LE(value, start);
    return this;
  }

  u24LE(value: number): this {
    const start = this.grow(3);
    this.buffer.writeUIntLE(value, start, 3);
    return this;
  }

  u32LE(value: number): this {
    const start = this.grow(4);
    this.buffer.writeUInt32LE(value, start);
    return this;
  }

  bytes(value: Uint8Array): this {
    const start = this.grow(value.length);
    this.buffer.set(value, start);
    return this;
  }

  /** Bytes and the NUL that ends them. A NUL inside would end them early and make a message of the remainder. */
  cstringBytes(value: Uint8Array): this {
    if (value.includes(0)) throw nulInside();
    return this.bytes(value).u8(0);
  }

  cstring(value: string): this {
    if (value.includes('\0')) throw nulInside();
    const length = Buffer.byteLength(value, 'utf8');
    const start = this.grow(length + 1);
    this.buffer.write(value, start, length, 'utf8');
    this.buffer[start + length] = 0;
    return this;
  }

  /** Puts a value written earlier right, such as a length that is known last. */
  patchI32(offset: number, value: number): void {
    if (value > I32_MAX) throw new GatewayError('WIRE_FRAME_TOO_LONG', `a message of ${value} bytes cannot be framed`);
    this.buffer.writeInt32BE(value, offset);
  }

  /** What was written. The writer is not to be used afterwards. */
  finish(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  /** Where the next bytes go. It may replace `buffer`, so it is called before `buffer` is read. */
  private grow(bytes: number): number {
    const start = this.length;
    const needed = start + bytes;
    if (needed > this.buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.buffer.length * 2));
      this.buffer.copy(larger, 0, 0, start);
      this.buffer = larger;
    }
    this.length = needed;
    return start;
  }
}

function nulInside(): GatewayError {
  return new GatewayError('WIRE_MALFORMED', 'a NUL cannot stand inside a NUL-terminated text');
}

const I32_MAX = 0x7fff_ffff;
