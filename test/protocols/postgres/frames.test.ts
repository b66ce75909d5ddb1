import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import { encodeBackend } from '../../../src/protocols/postgres/codec-backend.ts';
import { decodeFrontend, encodeFrontend } from '../../../src/protocols/postgres/codec-frontend.ts';
import {
  backendLimits,
  type Frame,
  FrameReader,
  frameBody,
  frameBytes,
  frontendLimits,
  StartupReader,
  tags,
} from '../../../src/protocols/postgres/frames.ts';
import { encodeStartup } from '../../../src/protocols/postgres/startup.ts';
import { backendMessages, frontendMessages } from './arbitraries.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const failing = (code: string) => expect.objectContaining({ name: 'GatewayError', code });
const message = (tag: string, length: number) => {
  const frame = Buffer.alloc(5 + length, tag);
  frame.writeInt32BE(4 + length, 1);
  return frame;
};

/** Chunks of a stream. Each is overwritten once it was read, as a connection does with its buffer. */
function cut(stream: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let offset = 0;
  for (let index = 0; offset < stream.length; index++) {
    const size = sizes.length === 0 ? stream.length : Math.max(1, sizes[index % sizes.length] ?? 1);
    chunks.push(Buffer.from(stream.subarray(offset, offset + size)));
    offset += size;
  }
  return chunks;
}

interface Seen {
  frames: string[];
  error: string | null;
  held: number;
}

function readAll(reader: FrameReader, chunks: readonly Buffer[]): Seen {
  const frames: string[] = [];
  for (const chunk of chunks) {
    try {
      for (const frame of reader.read(chunk)) frames.push(`${frame.piece} ${frameBytes(frame).toString('hex')}`);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return { frames, error: error.code, held: 0 };
    }
    chunk.fill(0xee);
  }
  return { frames, error: null, held: reader.held };
}

const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 20 });

describe('framing', () => {
  test('gives the same frames however the bytes were cut', () => {
    const stream = fc.oneof(
      fc.array(frontendMessages.map(encodeFrontend)).map((frames) => Buffer.concat(frames)),
      fc.array(backendMessages.map(encodeBackend)).map((frames) => Buffer.concat(frames)),
      fc
        .tuple(fc.array(backendMessages.map(encodeBackend)), fc.uint8Array({ maxLength: 40 }))
        .map(([frames, garbage]) => Buffer.concat([...frames, garbage])),
    );
    fc.assert(
      fc.property(stream, sizes, (bytes, cuts) => {
        const whole = readAll(new FrameReader(1000), [Buffer.from(bytes)]);
        expect(readAll(new FrameReader(1000), cut(bytes, cuts))).toStrictEqual(whole);
        expect(readAll(new FrameReader(1000), cut(bytes, [1]))).toStrictEqual(whole);
      }),
      { numRuns: 300 },
    );
  });

  test('gives streamed messages in pieces that make up the same bytes', () => {
    const frames = fc.array(backendMessages.map(encodeBackend));
    fc.assert(
      fc.property(frames, sizes, (messages, cuts) => {
        const reader = new FrameReader(1000, tags('dD'));
        const joined: Buffer[] = [];
        let open = false;
        for (const chunk of cut(Buffer.concat(messages), cuts)) {
          for (const frame of reader.read(chunk)) {
            const begins = frame.piece === 'whole' || frame.piece === 'first';
            expect(begins).toBe(!open);
            if (begins) joined.push(Buffer.from(frameBytes(frame)));
            else joined.push(Buffer.concat([joined.pop() ?? Buffer.alloc(0), frameBytes(frame)]));
            open = frame.piece === 'first' || frame.piece === 'middle';
            if (frame.piece !== 'whole') expect('dD').toContain(String.fromCharCode(frame.tag));
          }
          expect(reader.midFrame).toBe(open);
          chunk.fill(0xee);
        }
        expect(joined.map((frame) => frame.toString('hex'))).toStrictEqual(
          messages.map((frame) => frame.toString('hex')),
        );
      }),
      { numRuns: 300 },
    );
  });

  test('reads a thousand messages in one segment, and the same byte by byte', () => {
    const one = Buffer.concat([
      encodeFrontend({ type: 'query', text: Buffer.from('select 1') }),
      encodeFrontend({ type: 'sync' }),
      encodeFrontend({ type: 'execute', portal: 'p', rowsMax: 7 }),
      encodeFrontend({ type: 'copy-data', data: Buffer.alloc(50, 1) }),
    ]);
    const stream = Buffer.concat(new Array<Buffer>(250).fill(one));
    const decode = (reader: FrameReader, chunks: Buffer[]) =>
      chunks.flatMap((chunk) =>
        [...reader.read(chunk)].map((frame) => decodeFrontend(frame.tag, frameBody(frame), LIMITS)),
      );
    const whole = decode(new FrameReader(frontendLimits(LIMITS)), [stream]);
    expect(whole).toHaveLength(1000);
    expect(decode(new FrameReader(frontendLimits(LIMITS)), cut(stream, [1]))).toStrictEqual(whole);
  });

  test.each([
    ['length 0', '51 00000000', 'WIRE_MALFORMED'],
    ['length 3', '51 00000003', 'WIRE_MALFORMED'],
    ['length -1', '51 ffffffff', 'WIRE_MALFORMED'],
    ['length -2^31', '51 80000000', 'WIRE_MALFORMED'],
    ['length 2^31-1', '51 7fffffff', 'WIRE_FRAME_TOO_LONG'],
    ['one byte above the limit', '51 000003e9', 'WIRE_FRAME_TOO_LONG'],
  ])('refuses %s as soon as the header is there, and holds nothing for it', (_, bytes, code) => {
    for (const chunks of [cut(hex(bytes), []), cut(hex(bytes), [1]), cut(hex(bytes), [2, 3])]) {
      const reader = new FrameReader(1000);
      expect(() => chunks.map((chunk) => [...reader.read(chunk)])).toThrow(failing(code));
      expect(reader.held).toBeLessThanOrEqual(5);
    }
  });

  test('takes lengths from four to the limit', () => {
    for (const length of [4, 5, 999, 1000]) {
      const frame = message('Q', length - 4);
      expect(readAll(new FrameReader(1000), [Buffer.from(frame)])).toMatchObject({
        frames: [`whole ${frame.toString('hex')}`],
      });
    }
  });

  test('gives what came before a broken message, then fails for good', () => {
    const reader = new FrameReader(1000);
    const seen: number[] = [];
    const stream = Buffer.concat([message('Q', 3), message('S', 0), hex('51 00000003'), message('S', 0)]);
    expect(() => {
      for (const frame of reader.read(stream)) seen.push(frame.tag);
    }).toThrow(failing('WIRE_MALFORMED'));
    expect(seen).toStrictEqual([0x51, 0x53]);
    expect(() => [...reader.read(message('S', 0))]).toThrow(failing('WIRE_MALFORMED'));
  });

  test('does not copy what is whole', () => {
    const chunk = Buffer.concat([message('Q', 10), message('S', 0)]);
    for (const frame of new FrameReader(1000).read(chunk)) expect(frame.buffer).toBe(chunk);
  });

  test('copies no more than what completes a cut message', () => {
    const reader = new FrameReader(1000);
    const stream = Buffer.concat([message('Q', 10), message('S', 0), message('S', 0)]);
    expect([...reader.read(stream.subarray(0, 8))]).toHaveLength(0);
    expect(reader.held).toBe(8);
    const rest = stream.subarray(8);
    const buffers = [...reader.read(rest)].map((frame) => frame.buffer);
    expect(buffers.map((buffer) => buffer === rest)).toStrictEqual([false, true, true]);
    expect(reader.held).toBe(0);
  });

  test('never writes again to a buffer it handed over', () => {
    const reader = new FrameReader(1000);
    const first = message('Q', 20);
    const second = message('P', 20);
    const given: Frame[] = [];
    for (const chunk of cut(Buffer.concat([first, second, first]), [7])) given.push(...reader.read(chunk));
    expect(given.map((frame) => frameBytes(frame).toString('latin1'))).toStrictEqual(
      [first, second, first].map((frame) => frame.toString('latin1')),
    );
  });

  test('keeps what a reader left unread, over many chunks', () => {
    const reader = new FrameReader(1000);
    for (let index = 0; index < 50; index++) {
      const chunk = message('Q', index);
      reader.push(chunk);
      reader.keep();
      chunk.fill(0xee);
    }
    expect(reader.held).toBe(50 * 5 + (49 * 50) / 2);
    const lengths: number[] = [];
    while (reader.next()) lengths.push(reader.end - reader.start - 5);
    expect(lengths).toStrictEqual(Array.from({ length: 50 }, (_, index) => index));
  });

  test('continues where a loop was left early', () => {
    const reader = new FrameReader(1000);
    const chunk = Buffer.concat([message('Q', 1), message('S', 0), message('X', 0)]);
    for (const frame of reader.read(chunk)) {
      expect(frame.tag).toBe(0x51);
      break;
    }
    chunk.fill(0xee);
    expect([...reader.read(Buffer.alloc(0))].map((frame) => frame.tag)).toStrictEqual([0x53, 0x58]);
  });

  test('holds memory for what came, not for what a header claims', () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 200 }, () => {
      const reader = new FrameReader(frontendLimits(LIMITS));
      // 64 MiB are claimed and 5 bytes sent: 12.5 GiB if it were believed.
      expect([...reader.read(hex('51 04000000'))]).toHaveLength(0);
      return reader;
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024);
    expect(readers.every((reader) => reader.held === 5)).toBe(true);
  });

  test('takes a large message byte by byte in linear time', () => {
    const frame = message('Q', 300_000);
    const reader = new FrameReader(1_000_000);
    let frames = 0;
    for (let offset = 0; offset < frame.length; offset++) {
      reader.push(frame.subarray(offset, offset + 1));
      while (reader.next()) frames++;
    }
    expect(frames).toBe(1);
    expect(reader.end - reader.start).toBe(frame.length);
  });

  test('gives a streamed message of any length without holding it', () => {
    const limits = backendLimits({ ...LIMITS, target_message_bytes_max: 2 ** 31 - 1 });
    const reader = new FrameReader(limits, tags('D'));
    expect([...reader.read(hex('44 7fffffff 0001'))].map((frame) => frame.piece)).toStrictEqual(['first']);
    const chunk = Buffer.alloc(65536);
    for (let index = 0; index < 100; index++) {
      expect([...reader.read(chunk)].map((frame) => frame.piece)).toStrictEqual(['middle']);
      expect(reader.held).toBe(0);
    }
    expect(reader.midFrame).toBe(true);
  });

  test('begins to stream a message whose beginning it holds', () => {
    const reader = new FrameReader(1000);
    const frame = message('d', 100);
    expect([...reader.read(frame.subarray(0, 50))]).toHaveLength(0);
    reader.streamTags = tags('d');
    const pieces = [...reader.read(frame.subarray(50))];
    expect(pieces.map((piece) => piece.piece)).toStrictEqual(['first', 'last']);
    expect(Buffer.concat(pieces.map(frameBytes)).equals(frame)).toBe(true);
  });
});

describe('the limits of a client', () => {
  const known = 'QPBFdCDEHSXcfp';

  test('refuse every tag that the manual does not name, before its length', () => {
    for (let tag = 0; tag < 256; tag++) {
      const reader = new FrameReader(frontendLimits(LIMITS));
      const header = Buffer.from([tag, 0x7f, 0xff, 0xff, 0xff]);
      const code = known.includes(String.fromCharCode(tag)) ? 'WIRE_FRAME_TOO_LONG' : 'WIRE_MALFORMED';
      expect(() => [...reader.read(header)], `tag ${tag}`).toThrow(failing(code));
    }
  });

  test.each([
    ['Q', LIMITS.message_bytes_max],
    ['d', LIMITS.message_bytes_max],
    ['S', 10_000],
    ['E', 10_000],
    ['f', 10_000],
    ['p', LIMITS.password_bytes_max],
  ])('let %s weigh %i bytes', (tag, bytes_max) => {
    const header = Buffer.alloc(5, tag);
    header.writeInt32BE(bytes_max, 1);
    expect(() => [...new FrameReader(frontendLimits(LIMITS)).read(Buffer.from(header))]).not.toThrow();
    header.writeInt32BE(bytes_max + 1, 1);
    expect(() => [...new FrameReader(frontendLimits(LIMITS)).read(header)]).toThrow(failing('WIRE_FRAME_TOO_LONG'));
  });
});

describe('the limits of a target', () => {
  test('know every message that a server sends and no other', () => {
    const limits = backendLimits(LIMITS);
    for (let tag = 0; tag < 256; tag++) {
      expect(limits[tag] !== 0, `tag ${tag}`).toBe('RKSZTDCIENA123nstGHWdcVv'.includes(String.fromCharCode(tag)));
    }
  });
});

describe('a startup packet', () => {
  const packet = encodeStartup({ type: 'startup', major: 3, minor: 0, parameters: [['user', 'ada']] });

  test.each([[[]], [[1]], [[3, 1]], [[packet.length - 1]]])('is read however it was cut: %j', (cuts) => {
    const reader = new StartupReader(10_000);
    const bodies = cut(packet, cuts).map((chunk) => {
      const read = reader.read(chunk)?.body.toString('hex');
      chunk.fill(0xee);
      return read;
    });
    // The last body may be a view of a chunk, so it was read before the chunk was overwritten.
    expect(bodies.pop()).toBe(packet.subarray(4).toString('hex'));
    expect(bodies.every((body) => body === undefined)).toBe(true);
    expect(reader.held).toBe(0);
  });

  test('tells what was written behind it', () => {
    const read = new StartupReader(10_000).read(Buffer.concat([encodeStartup({ type: 'ssl-request' }), packet]));
    expect(read?.body.toString('hex')).toBe('04d2162f');
    expect(read?.rest.equals(packet)).toBe(true);
  });

  test.each([
    ['-1', 'ffffffff', 'WIRE_MALFORMED'],
    ['0', '00000000', 'WIRE_MALFORMED'],
    ['7', '00000007', 'WIRE_MALFORMED'],
    ['10,001', '00002711', 'WIRE_FRAME_TOO_LONG'],
    ['2^31-1', '7fffffff', 'WIRE_FRAME_TOO_LONG'],
    ['what a TLS record says', '16030100', 'WIRE_FRAME_TOO_LONG'],
    ['what HTTP says', '47455420', 'WIRE_FRAME_TOO_LONG'],
  ])('cannot have a length of %s', (_, length, code) => {
    const reader = new StartupReader(10_000);
    expect(() => reader.read(hex(length))).toThrow(failing(code));
    const slow = new StartupReader(10_000);
    expect(() => cut(hex(length), [1]).map((chunk) => slow.read(chunk))).toThrow(failing(code));
  });

  test('may have any length from 8 to the limit', () => {
    for (const length of [8, 9, 9_999, 10_000]) {
      const bytes = Buffer.alloc(length);
      bytes.writeInt32BE(length, 0);
      expect(new StartupReader(10_000).read(bytes)?.body).toHaveLength(length - 4);
    }
  });
});
