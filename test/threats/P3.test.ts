import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../src/core/limits.ts';
import { decodeFrontend, encodeFrontend } from '../../src/protocols/postgres/codec-frontend.ts';
import { FrameReader, frameBody, frontendLimits } from '../../src/protocols/postgres/frames.ts';
import type { FrontendMessage } from '../../src/protocols/postgres/messages.ts';
import { encodeStartup } from '../../src/protocols/postgres/startup.ts';
import { startWorld, type World } from '../e2e/world.ts';
import { RawClient, startup } from '../servers/raw-client.ts';
import { errorIn, expectUnseen, pause, refusedAction, refusedBytes, rowsIn, tagged, typesOf } from './attack.ts';
import { seeded } from './seeded.ts';

/** Lengths that lie, messages cut anywhere, many at once: what is one message here is one message there, in bounded memory. */
let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  expect(await world.gateway.verify()).toMatchObject({ whole: true });
  await world.stop();
});

const MIB = 1024 * 1024;
const login = () => world.gateway.login('ann', 'crm');
const query = (sql: string): FrontendMessage => ({ type: 'query', text: Buffer.from(sql) });
const parse = (sql: string): FrontendMessage => ({
  type: 'parse',
  statement: '',
  text: Buffer.from(sql),
  parameterTypes: [],
});
const BIND: FrontendMessage = {
  type: 'bind',
  portal: '',
  statement: '',
  parameterFormats: [],
  parameters: [],
  resultFormats: [],
};
const EXECUTE: FrontendMessage = { type: 'execute', portal: '', rowsMax: 0 };

/** Memory of the gateway in bytes, as the kernel counts it. */
function resident_bytes(): number {
  const status = readFileSync(`/proc/${world.gateway.process.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

const IMPOSSIBLE = [0, 1, 2, 3, -1, -4, -0x80000000, -0x7fffffff];
/** Every tag a client may send. */
const TAGS = ['Q', 'P', 'B', 'D', 'E', 'C', 'F', 'H', 'S', 'X', 'd', 'c', 'f', 'p'] as const;

test('P3 a length below four, or a negative one, ends the session before the target sees anything', async () => {
  world.tap.reset();
  for (const [at, tag] of TAGS.entries()) {
    const refused = await Promise.all(
      (at === 0 ? IMPOSSIBLE : [3, -1]).map(async (length) => {
        const client = await login();
        client.write(tagged(tag, Buffer.from('zz-length-zz\0'), length));
        const end = await client.until('ready-for-query').catch((fault: unknown) => fault);
        await client.closed();
        return end;
      }),
    );
    for (const end of refused) expect(end, `tag ${tag}`).toMatchObject({ fields: { S: 'FATAL', C: '08P01' } });
  }
  expectUnseen(world, 'zz-length-zz');
  await refusedBytes(world.gateway, 'WIRE_MALFORMED', 'is impossible');
}, 120_000);

test('P3 a length above the limit, up to 2^31-1, is refused when its header comes, not when its body has', async () => {
  world.tap.reset();
  for (const tag of TAGS) {
    for (const length of tag === 'Q' ? [64 * MIB + 1, 0x7fffffff, 0x40000000] : [0x7fffffff]) {
      const client = await login();
      client.write(tagged(tag, Buffer.from('zz-length-zz\0'), length));
      await expect(client.until('ready-for-query')).rejects.toMatchObject({ fields: { S: 'FATAL', C: '08P01' } });
      await client.closed();
    }
  }
  expectUnseen(world, 'zz-length-zz');
  await refusedBytes(world.gateway, 'WIRE_FRAME_TOO_LONG');
}, 120_000);

test('P3 a startup packet of an impossible length is refused unread', async () => {
  world.tap.reset();
  for (const length of [...IMPOSSIBLE, 4, 7, 10_001, 0x7fffffff]) {
    const client = await RawClient.connect(world.gateway.port);
    const packet = Buffer.alloc(32, 0x41);
    packet.writeInt32BE(length);
    client.write(packet);
    await client.closed();
  }
  expect(world.tap.connections()).toBe(0);
});

test('P3 a statement smuggled behind a length that wrapped is judged as the statement it is', async () => {
  const client = await login();
  await client.query('select 1');
  world.tap.reset();
  // What a client that counts modulo 2^32 writes: the header of a short message, then a body of which the peer makes messages.
  const smuggled = encodeFrontend(query('drop table orders /* smuggled */'));
  client.write(Buffer.concat([tagged('Q', Buffer.from('select 1\0')), smuggled, encodeFrontend({ type: 'sync' })]));
  expect(rowsIn(await client.until('ready-for-query'))).toEqual([['1']]);
  expect(errorIn(await client.until('ready-for-query'))).toMatchObject({ C: '42501' });
  await client.until('ready-for-query');
  expectUnseen(world, 'smuggled');
  await refusedAction(world.gateway, 'smuggled');
  client.end();
});

test('P3 a message inside the body of another is never a message of its own', async () => {
  const client = await login();
  await client.query('select 1');
  const inner = encodeFrontend(query('select 666'));
  client.send(query('select 1'), {
    type: 'parse',
    statement: '',
    text: Buffer.from('select $1::bytea'),
    parameterTypes: [17],
  });
  client.send({ ...BIND, parameterFormats: [1], parameters: [inner], resultFormats: [1] }, EXECUTE, { type: 'sync' });
  await client.until('ready-for-query');
  const answer = await client.until('ready-for-query');
  const row = answer.find((message) => message.type === 'data-row');
  expect(row?.values[0]?.equals(inner)).toBe(true);
  client.send({ type: 'sync' });
  expect(typesOf(await client.until('ready-for-query'))).toEqual(['ready-for-query']);
  client.end();
});

test('P3 a body longer or shorter than what is in it ends the session: no byte is left over for somebody else to read', async () => {
  world.tap.reset();
  const bodies = [
    ['Q', Buffer.from('select 1 /* zz-over-zz */\0select 2\0')],
    ['Q', Buffer.from('select 1 /* zz-over-zz */')],
    ['P', Buffer.from('zz-over-zz\0select 1\0\0\0zz')],
    ['P', Buffer.from('zz-over-zz\0select 1\0\xff\xff', 'latin1')],
    ['B', Buffer.from('zz-over-zz\0\0\0\x01', 'latin1')],
    ['B', Buffer.from('zz-over-zz\0\0\0\0\0\x01\x7f\xff\xff\xff', 'latin1')],
    ['D', Buffer.from('Szz-over-zz\0more')],
    ['D', Buffer.from('?zz-over-zz\0')],
    ['E', Buffer.from('zz-over-zz\0\0\0')],
    ['C', Buffer.from('S')],
    ['F', Buffer.from('zz-over-zz')],
  ] as const;
  for (const [tag, body] of bodies) {
    const client = await login();
    client.write(tagged(tag, body));
    client.send({ type: 'sync' });
    await expect(client.until('ready-for-query'), `${tag} ${body.toString('hex')}`).rejects.toMatchObject({
      fields: { S: 'FATAL', C: '08P01' },
    });
  }
  expectUnseen(world, 'zz-over-zz');
});

const SESSION: readonly FrontendMessage[] = [
  query('select 1 as a; select 2 as b'),
  parse('select id, ssn from customers where id < 3 order by id'),
  { type: 'describe', what: 'statement', name: '' },
  BIND,
  EXECUTE,
  { type: 'sync' },
  query('drop table orders'),
  parse('drop table orders'),
  BIND,
  EXECUTE,
  { type: 'sync' },
  query('select 3'),
  query(''),
];
const ANSWERS = SESSION.filter(({ type }) => type === 'query' || type === 'sync').length;

async function played(write: (client: RawClient, bytes: Buffer) => Promise<void>): Promise<string> {
  const client = await login();
  const from = Buffer.concat(client.received).length;
  await write(client, Buffer.concat(SESSION.map(encodeFrontend)));
  for (let answer = 0; answer < ANSWERS; answer += 1) await client.until('ready-for-query');
  client.end();
  return Buffer.concat(client.received).subarray(from).toString('latin1');
}

test('P3 a session sent byte by byte, the login too, is answered as one sent at once', async () => {
  const whole = await played(async (client, bytes) => client.write(bytes));
  const cut = await played(async (client, bytes) => {
    for (const byte of bytes) {
      client.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  expect(cut).toBe(whole);
  const slow = await RawClient.connect(world.gateway.port);
  const write = slow.write.bind(slow);
  slow.write = (bytes) => bytes.forEach((byte) => void write(Uint8Array.of(byte)));
  slow.write(encodeStartup(startup({ port: 0, user: 'ann', password: '', database: 'crm' })));
  await slow.authenticate(await world.gateway.token('ann'));
  await slow.until('ready-for-query');
  slow.end();
});

test('P3 a session cut at random, forty times, is answered as one sent at once', async () => {
  const whole = await played(async (client, bytes) => client.write(bytes));
  const below = seeded(0x5a11);
  for (let time = 0; time < 40; time += 1) {
    const cut = await played(async (client, bytes) => {
      for (let at = 0; at < bytes.length; ) {
        const next = at + 1 + below(60);
        client.write(bytes.subarray(at, next));
        at = next;
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    expect(cut).toBe(whole);
  }
}, 120_000);

test('P3 what is encoded and cut anywhere is decoded as it was', () => {
  const name = fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => text.replaceAll('\0', ''));
  const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value));
  const text = bytes.map((value) => Buffer.from(value.filter((byte) => byte !== 0)));
  const message: fc.Arbitrary<FrontendMessage> = fc.oneof(
    fc.record({ type: fc.constant('query' as const), text }),
    fc.record({
      type: fc.constant('parse' as const),
      statement: name,
      text,
      parameterTypes: fc.array(fc.nat(100_000), { maxLength: 4 }),
    }),
    fc.record({
      type: fc.constant('bind' as const),
      portal: name,
      statement: name,
      parameterFormats: fc.constantFrom([], [0], [1]),
      parameters: fc.array(fc.option(bytes), { maxLength: 4 }),
      resultFormats: fc.constantFrom([], [0], [1], [0, 1]),
    }),
    fc.record({ type: fc.constant('execute' as const), portal: name, rowsMax: fc.nat(1_000) }),
    fc.record({ type: fc.constant('copy-data' as const), data: bytes }),
    fc.constant({ type: 'sync' as const }),
  );
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.nat(30), { maxLength: 60 }), (messages, cuts) => {
      const stream = Buffer.concat(messages.map(encodeFrontend));
      const reader = new FrameReader(frontendLimits(LIMITS));
      const decoded: FrontendMessage[] = [];
      const take = (piece: Buffer) => {
        for (const frame of reader.read(Buffer.from(piece)))
          decoded.push(decodeFrontend(frame.tag, Buffer.from(frameBody(frame)), LIMITS));
      };
      let at = 0;
      for (const size of cuts) {
        take(stream.subarray(at, at + size));
        at += size;
      }
      take(stream.subarray(at));
      expect(decoded).toEqual(messages);
    }),
    { seed: 3, numRuns: 300 },
  );
});

test('P3 a thousand messages in one segment are answered one by one, in order', async () => {
  const client = await login();
  const denied = (at: number) => at % 100 === 50;
  client.send(
    ...Array.from({ length: 1_000 }, (_, at) => query(denied(at) ? `drop table orders /* ${at} */` : `select ${at}`)),
  );
  for (let at = 0; at < 1_000; at += 1) {
    const answer = await client.until('ready-for-query', 30_000);
    if (denied(at)) expect(errorIn(answer)).toMatchObject({ C: '42501' });
    else expect(rowsIn(answer)).toEqual([[String(at)]]);
  }
  client.end();
}, 60_000);

test('P3 long headers without bodies cost no memory', async () => {
  await world.gateway.psql('ann', 'crm', 'select 1');
  const before = resident_bytes();
  const clients = await Promise.all(Array.from({ length: 60 }, login));
  const held = resident_bytes();
  for (const client of clients) client.write(tagged('Q', Buffer.from('select '), 60 * MIB));
  await pause(500);
  // 60 messages of 60 MiB were announced.
  expect(resident_bytes() - held).toBeLessThan(20 * MIB);
  for (const client of clients) client.end();
  expect(held - before).toBeLessThan(100 * MIB);
}, 60_000);

test('P3 a statement that is too long is refused with 54000, its bytes are let go, and the session lives on', async () => {
  const client = await login();
  await client.query('select 1');
  world.tap.reset();
  const before = resident_bytes();
  for (let time = 0; time < 8; time += 1) {
    const answer = await client.query(`select 'zz-long-zz${'x'.repeat(16 * MIB)}'`);
    expect(errorIn(answer)).toMatchObject({ S: 'ERROR', C: '54000' });
  }
  expect(rowsIn(await client.query('select 7'))).toEqual([['7']]);
  expectUnseen(world, 'zz-long-zz');
  await refusedBytes(world.gateway, 'STATEMENT_TOO_LONG');
  expect(resident_bytes() - before).toBeLessThan(150 * MIB);
  client.end();
}, 60_000);

test('P3 psql sends a script of a thousand statements, and one that is too long', async () => {
  const script = Array.from({ length: 1_000 }, (_, at) => `select ${at};`).join('\n');
  const ran = await world.gateway.run('ann', 'crm', 'psql', ['-X', '-q', '-At'], { input: script });
  expect(ran.stdout).toBe(`${Array.from({ length: 1_000 }, (_, at) => at).join('\n')}\n`);
  const long = await world.gateway.run('ann', 'crm', 'psql', ['-X', '-q', '-At'], {
    input: `select '${'x'.repeat(2 * MIB)}';\nselect 7;\n`,
  });
  expect(long.stdout).toBe('7\n');
  expect(long.stderr).toContain('ERROR:');
});
