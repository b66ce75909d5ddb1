import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeStartup } from '../../src/protocols/postgres/startup.ts';
import { startWorld, type World } from '../e2e/world.ts';
import { RawClient, startup } from '../servers/raw-client.ts';
import { expectUnseen, pause, refusedBytes, rowsIn, tagged } from './attack.ts';

/** Every tag there is, in every state a connection can be in. Nothing of it may reach the target. */
let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  expect(await world.gateway.verify()).toMatchObject({ whole: true });
  await world.stop();
});

const MARKER = 'zz-unsolicited-zz';
const TAGS = Array.from({ length: 256 }, (_, tag) => tag);
const LANES = 8;

const login = (account = 'ann') => world.gateway.login(account, 'crm');
const query = (sql: string) => ({ type: 'query', text: Buffer.from(sql) }) as const;

/** How to come into a state; `takes`: tags whose body is rightly the target's there. */
const STATES: readonly (readonly [name: string, takes: string, enter: () => Promise<RawClient>])[] = [
  ['before the startup packet', '', () => RawClient.connect(world.gateway.port)],
  [
    'where the first SASL message is due',
    '',
    async () => {
      const client = await RawClient.connect(world.gateway.port);
      client.write(encodeStartup(startup({ port: 0, user: 'ann', password: '', database: 'crm' })));
      await client.next();
      return client;
    },
  ],
  ['in an idle session', '', login.bind(null, 'ann')],
  [
    'in a transaction',
    '',
    async () => {
      const client = await login();
      await client.query('begin');
      return client;
    },
  ],
  [
    'in a failed transaction',
    '',
    async () => {
      const client = await login();
      await client.query('begin');
      await client.query('select 1/0');
      return client;
    },
  ],
  [
    'in an open pipeline',
    '',
    async () => {
      const client = await login();
      client.send(
        { type: 'parse', statement: '', text: Buffer.from('select 1'), parameterTypes: [] },
        { type: 'flush' },
      );
      await client.until('parse-complete');
      return client;
    },
  ],
  [
    'in a pipeline that was refused',
    '',
    async () => {
      const client = await login();
      client.send({ type: 'parse', statement: '', text: Buffer.from('drop table orders'), parameterTypes: [] });
      await client.until('error');
      return client;
    },
  ],
  [
    'while a COPY takes data',
    // CopyData and the text of CopyFail are what the COPY was cleared to send.
    'df',
    async () => {
      const client = await login('max');
      client.send(query('copy inbox from stdin'));
      await client.until('copy-in');
      return client;
    },
  ],
  [
    'while people are asked',
    '',
    async () => {
      const client = await login();
      client.send(query("update orders set total = 0 where id = 1 and 'held' = 'held'"));
      await client.until('notice');
      return client;
    },
  ],
];

beforeAll(async () => {
  const server = await world.server.client('crm');
  await server.query('create table inbox (line text); grant insert on inbox to gateway_rw');
  await server.end();
});

test.each(STATES)(
  'P2 no tag %s reaches the target',
  async (_, takes, enter) => {
    world.tap.reset();
    const allowed = new Set(Buffer.from(takes));
    const left = TAGS.filter((tag) => !allowed.has(tag));
    const lane = async () => {
      for (let tag = left.pop(); tag !== undefined; tag = left.pop()) {
        const client = await enter();
        // Not terminated by a zero, so that it is a message of no kind.
        client.write(tagged(tag, Buffer.from(`${MARKER} ${tag};`)));
        client.send({ type: 'sync' }, { type: 'terminate' });
        await client.closed(15_000).catch((fault: Error) => {
          throw new Error(`tag ${tag}: ${fault.message}`);
        });
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    await pause(50);
    const seen = TAGS.filter((tag) => world.tap.sent().includes(`${MARKER} ${tag};`));
    expect(seen, 'tags whose bodies the target has seen').toEqual([]);
  },
  120_000,
);

test('P2 an unknown tag ends the session as the server would: FATAL, 08P01', async () => {
  for (const tag of [0x00, 'q', 'p'.charCodeAt(0) + 0x80, '1', 'Z']) {
    const client = await login();
    client.write(tagged(tag, Buffer.from('x')));
    await expect(client.until('ready-for-query')).rejects.toMatchObject({ fields: { S: 'FATAL', C: '08P01' } });
    await client.closed();
  }
  await refusedBytes(world.gateway, 'WIRE_MALFORMED', 'there is no such message');
});

test('P2 a password message in a session ends it and is recorded', async () => {
  const client = await login();
  client.write(tagged('p', Buffer.from('secret\0')));
  await expect(client.until('ready-for-query')).rejects.toMatchObject({ fields: { S: 'FATAL', C: '08P01' } });
  await refusedBytes(world.gateway, 'WIRE_OUT_OF_ORDER');
});

test.each(['d', 'c', 'f'])(
  'P2 a stray %s outside a COPY is dropped without a word, as the server does',
  async (tag) => {
    const client = await login();
    await client.query('select 1');
    world.tap.reset();
    client.write(tagged(tag, tag === 'c' ? Buffer.alloc(0) : Buffer.from('stray\0')));
    expect(rowsIn(await client.query('select 7'))).toEqual([['7']]);
    expectUnseen(world, 'stray');
    expect(world.tap.messages().map(({ type }) => type)).toEqual(['query']);
    client.end();
  },
);

test('P2 psql works beside all this', async () => {
  const broken = await login();
  broken.write(tagged('!', Buffer.from(MARKER)));
  expect(await world.gateway.psql('ann', 'crm', 'select 1')).toMatchObject({ status: 0, stdout: '1\n' });
  await broken.closed();
});
