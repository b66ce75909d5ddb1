import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../../src/core/limits.ts';
import { decodeBackend, encodeBackend } from '../../../src/protocols/postgres/codec-backend.ts';
import { decodeFrontend, encodeFrontend } from '../../../src/protocols/postgres/codec-frontend.ts';
import {
  backendLimits,
  FrameReader,
  frameBody,
  frameBytes,
  frontendLimits,
  StartupReader,
} from '../../../src/protocols/postgres/frames.ts';
import { decodeStartup, encodeStartup } from '../../../src/protocols/postgres/startup.ts';

/** What psql 15 and node-postgres said to PostgreSQL 15 and heard from it, byte for byte. */
const capture = (name: string) => readFileSync(new URL(`../../vectors/postgres/${name}.bin`, import.meta.url));

const EXTENDED = ['parse', 'bind', 'describe', 'execute', 'flush', 'sync', 'terminate'];
const SIMPLE = ['query', 'copy-data', 'copy-done', 'terminate'];

describe('what a real client wrote', () => {
  test.each([
    ['psql-15', 'psql', SIMPLE],
    ['node-postgres-15', undefined, EXTENDED],
  ])('in %s decodes, and encodes to the same bytes', (name, application, types) => {
    const bytes = capture(`${name}.client`);
    const packet = new StartupReader(LIMITS.startup_bytes_max).read(bytes);
    if (packet === null) throw new Error('no startup packet');
    const startup = decodeStartup(packet.body);
    if (startup.type !== 'startup') throw new Error(startup.type);
    expect(Buffer.concat([encodeStartup(startup), packet.rest]).equals(bytes)).toBe(true);
    expect(new Map(startup.parameters).get('user')).toBe('postgres');
    expect(new Map(startup.parameters).get('application_name')).toBe(application);

    const seen = new Set<string>();
    const reader = new FrameReader(frontendLimits(LIMITS));
    for (const frame of reader.read(packet.rest)) {
      const message = decodeFrontend(frame.tag, frameBody(frame), LIMITS);
      seen.add(message.type);
      expect(encodeFrontend(message).equals(frameBytes(frame)), message.type).toBe(true);
    }
    expect(reader.held).toBe(0);
    expect([...seen].sort()).toStrictEqual([...types].sort());
  });
});

describe('what a real server wrote', () => {
  const LOGIN = ['authentication-ok', 'backend-key-data', 'parameter-status', 'ready-for-query'];
  const ROWS = ['row-description', 'data-row', 'command-complete', 'error'];
  test.each([
    [
      'psql-15',
      [...LOGIN, ...ROWS, 'notice', 'notification', 'copy-in', 'copy-out', 'copy-data', 'copy-done', 'empty-query'],
    ],
    ['node-postgres-15', [...LOGIN, ...ROWS, 'parse-complete', 'bind-complete', 'portal-suspended']],
  ])('in %s decodes, and encodes to the same bytes', (name, types) => {
    const seen = new Set<string>();
    const reader = new FrameReader(backendLimits(LIMITS));
    for (const frame of reader.read(capture(`${name}.server`))) {
      const message = decodeBackend(frame.tag, frameBody(frame));
      seen.add(message.type);
      expect(encodeBackend(message).equals(frameBytes(frame)), message.type).toBe(true);
      if (message.type === 'backend-key-data') expect(message.secret).toHaveLength(4);
    }
    expect(reader.held).toBe(0);
    expect([...seen].sort()).toStrictEqual([...types].sort());
  });

  // PostgreSQL 18 speaks 3.2; asked for 3.9999 it says so, as a whole version number.
  test.each([
    ['version-3.2-18', null],
    ['version-3.9999-18', { type: 'negotiate-version', minor: 2, unsupported: ['_pq_.x'] }],
  ])('in %s has a long secret, and the version it settled on', (name, negotiated) => {
    const messages = [...new FrameReader(backendLimits(LIMITS)).read(capture(`${name}.server`))].map((frame) => {
      const message = decodeBackend(frame.tag, frameBody(frame));
      expect(encodeBackend(message).equals(frameBytes(frame)), message.type).toBe(true);
      return message;
    });
    expect(messages.find((message) => message.type === 'negotiate-version') ?? null).toStrictEqual(negotiated);
    const key = messages.find((message) => message.type === 'backend-key-data');
    expect(key?.secret).toHaveLength(32);
    expect(messages.at(-1)).toStrictEqual({ type: 'ready-for-query', status: 'I' });
  });
});
