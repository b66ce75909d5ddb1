import net from 'node:net';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { createCatalogueReader } from '../../../src/adapters/catalogue-postgres/reader.ts';
import * as row from '../../../src/adapters/catalogue-postgres/rows.ts';

const connection = { user: 'u', password: 'secret', database: 'd', connect_ms: 200, statement_ms: 200 };
const unavailable = expect.objectContaining({ code: 'CATALOGUE_UNAVAILABLE' });

describe('a catalogue that cannot be read', () => {
  test('because nobody listens', async () => {
    const reader = createCatalogueReader({
      ...connection,
      connect: () =>
        new Promise((resolve, reject) => {
          const socket = net.connect(1, '127.0.0.1', () => resolve(socket));
          socket.on('error', reject);
        }),
    });
    await expect(reader.read()).rejects.toEqual(unavailable);
  });
  test('because connecting takes too long', async () => {
    const reader = createCatalogueReader({ ...connection, connect: () => new Promise(() => {}) });
    await expect(reader.read()).rejects.toEqual(unavailable);
  });
  test('because the server never answers', async () => {
    const reader = createCatalogueReader({ ...connection, connect: async () => new PassThrough({ read() {} }) });
    await expect(reader.read()).rejects.toEqual(unavailable);
  });
  test('and the error does not tell the password', async () => {
    const connect = async () => Promise.reject(new Error('no route'));
    const failure = createCatalogueReader({ ...connection, connect }).read();
    await expect(failure).rejects.toThrow('no route');
    await expect(failure).rejects.not.toThrow('secret');
  });
});

describe('what a target says is data', () => {
  test.each([
    ['an OID that is no number', () => row.schema({ oid: 'x', name: 'public' })],
    ['an OID beyond a double', () => row.schema({ oid: '99999999999999999999', name: 'public' })],
    ['a name that is no text', () => row.relation({ oid: '1', schema: '2', name: 7, kind: 'r' })],
    ['a name that is too long', () => row.schema({ oid: '1', name: 'x'.repeat(253) })],
    ['no row at all', () => row.column(null)],
    ['no list', () => row.foreignKey({ relation: '1', columns: 'x', referenced: '1', referencedColumns: [] })],
    ['a word that means nothing', () => row.relationFunction({ relation: '1', function: '2', on: 'sometimes' })],
  ])('%s is refused', (_, read) => {
    expect(read).toThrow(unavailable);
  });
  test('names may be anything else', () => {
    const name = 'a"b;\u202edrop\n';
    expect(row.schema({ oid: '16384', name })).toEqual({ oid: 16_384, name });
  });
});
