import { readdirSync } from 'node:fs';
import net from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeStartup } from '../../src/protocols/postgres/startup.ts';
import { startWorld, type World } from '../e2e/world.ts';
import { startup } from '../servers/raw-client.ts';
import { pause, refusedBytes } from './attack.ts';

/** Clients that begin to log in and never end: a deadline ends them all, and others notice nothing. */
let world: World;
const HANDSHAKE_MS = 2_000;
beforeAll(async () => {
  world = await startWorld({ config: { limits: { handshake_ms: HANDSHAKE_MS } } });
});
afterAll(() => world.stop());

const SSL = encodeStartup({ type: 'ssl-request' });
const START = encodeStartup(startup({ port: 0, user: 'ann', password: '', database: 'crm' }));

const openFiles = () => readdirSync(`/proc/${world.gateway.process.pid}/fd`).length;

function connect(bytes: Buffer): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(world.gateway.port, '127.0.0.1', () => {
      if (bytes.length > 0) socket.write(bytes);
      resolve(socket);
    });
    socket.once('error', reject);
    socket.on('data', () => {});
  });
}

const closed = (socket: net.Socket) =>
  new Promise<void>((resolve) => (socket.closed ? resolve() : socket.once('close', resolve)));

async function within<Value>(work: Promise<Value>, time_ms: number, what: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${time_ms} ms`)), time_ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

test.each([
  ['nothing at all', Buffer.alloc(0)],
  ['three bytes of an SSLRequest', SSL.subarray(0, 3)],
  ['an SSLRequest and no handshake', SSL],
  ['half a TLS handshake', Buffer.from('160301', 'hex')],
  ['half a startup packet', START.subarray(0, START.length - 4)],
  ['a startup packet and no proof', START],
])('P5 a client that sends %s is closed at the deadline', async (_, bytes) => {
  const began = Date.now();
  const socket = await connect(bytes);
  await within(closed(socket), HANDSHAKE_MS + 3_000, 'closing');
  expect(Date.now() - began).toBeGreaterThan(HANDSHAKE_MS - 500);
});

test('P5 one byte now and then does not put the deadline off', async () => {
  const socket = await connect(Buffer.alloc(0));
  const began = Date.now();
  let sent = 0;
  const drip = setInterval(() => {
    if (!socket.destroyed) socket.write(START.subarray(sent, sent + 1));
    sent += 1;
  }, 200);
  await within(closed(socket), HANDSHAKE_MS + 3_000, 'closing').finally(() => clearInterval(drip));
  expect(Date.now() - began).toBeLessThan(HANDSHAKE_MS + 3_000);
});

test('P5 two thousand half-open connections are closed at the deadline, psql is served meanwhile, no file stays open', async () => {
  expect(await world.gateway.psql('ann', 'crm', 'select 1')).toMatchObject({ stdout: '1\n' });
  await pause(500);
  const before = openFiles();
  const kinds = [Buffer.alloc(0), SSL.subarray(0, 3), SSL, START.subarray(0, 20), START];
  const sockets: net.Socket[] = [];
  for (let at = 0; at < 2_000; at += 50) {
    const some = Array.from({ length: 50 }, (_, one) => connect(kinds[(at + one) % kinds.length] ?? SSL));
    sockets.push(...(await Promise.all(some)));
  }
  for (const socket of sockets) socket.on('error', () => {});
  expect(await world.gateway.psql('ann', 'crm', 'select 1')).toMatchObject({ status: 0, stdout: '1\n' });
  await within(Promise.all(sockets.map(closed)), HANDSHAKE_MS + 20_000, 'closing all');
  await pause(1_500);
  expect(openFiles()).toBeLessThanOrEqual(before + 2);
  await refusedBytes(world.gateway, 'HANDSHAKE_TIMEOUT');
}, 90_000);

test('P5 a client that logs in in time is left alone by the deadline', async () => {
  const client = await world.gateway.login('ann', 'crm');
  await pause(HANDSHAKE_MS + 1_000);
  expect((await client.query('select 1')).some(({ type }) => type === 'data-row')).toBe(true);
  client.end();
});
