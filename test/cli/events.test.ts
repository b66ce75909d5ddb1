import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readEvents, type ServerEvent } from '../../src/cli/events.ts';

async function read(parts: readonly Uint8Array[]): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  for await (const event of readEvents(
    Readable.from(parts.map((part) => Buffer.from(part))),
    new AbortController().signal,
  ))
    events.push(event);
  return events;
}

const TEXT = ': hello\n\nevent: entry\nid: 7\ndata: {"a":"ü→🙂"}\n\ndata: one\r\ndata:two\r\n\r\nevent: end\ndata\n\n';
const EVENTS = [
  { event: 'entry', data: '{"a":"ü→🙂"}' },
  { event: 'message', data: 'one\ntwo' },
  { event: 'end', data: '' },
];

describe('server-sent events', () => {
  test('are read by the rules of the standard', async () => {
    expect(await read([Buffer.from(TEXT)])).toEqual(EVENTS);
  });

  test('are the same wherever the bytes are cut', async () => {
    const bytes = Buffer.from(TEXT);
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 20 }),
        async (cuts) => {
          const edges = [0, ...cuts.sort((one, other) => one - other), bytes.length];
          expect(await read(edges.slice(1).map((end, index) => bytes.subarray(edges[index], end)))).toEqual(EVENTS);
        },
      ),
    );
  });

  test('that were not ended by an empty line do not count', async () => {
    expect(await read([Buffer.from('event: entry\ndata: half')])).toEqual([]);
  });
});
