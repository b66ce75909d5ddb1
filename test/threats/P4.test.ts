import net from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeBackend } from '../../src/protocols/postgres/codec-backend.ts';
import { encodeFrontend } from '../../src/protocols/postgres/codec-frontend.ts';
import { encodeStartup } from '../../src/protocols/postgres/startup.ts';
import { startWorld, type World } from '../e2e/world.ts';
import { RawClient, startup } from '../servers/raw-client.ts';
import { expectUnseen, refusedBytes } from './attack.ts';

/** Plain text slipped in before encryption begins: nothing that was said before may count after (CVE-2021-23214, CVE-2021-3935). */
let world: World;
let spoofed: net.Server;
let spoofedSaw = '';
beforeAll(async () => {
  // A target, or somebody before it, that says more than whether it speaks TLS (CVE-2021-23222).
  spoofed = net.createServer((gateway) => {
    gateway.on('error', () => {});
    gateway.on('data', (bytes: Buffer) => {
      spoofedSaw += bytes.toString('latin1');
      gateway.write(Buffer.concat([Buffer.from('S'), encodeBackend({ type: 'authentication-ok' }), READY]));
    });
  });
  await new Promise<void>((resolve) => spoofed.listen(0, '127.0.0.1', resolve));
  const { port } = spoofed.address() as net.AddressInfo;
  world = await startWorld({
    targets: [
      {
        name: 'spoofed',
        protocol: 'postgres',
        address: `127.0.0.1:${port}`,
        tls: 'require',
        database: 'crm',
        credential: { user: 'gateway_rw', password: 'rw-demo' },
        labels: { env: 'test' },
      },
    ],
    policies:
      '@id("spoofed") permit (principal in Group::"dev", action in Action::"sql", resource in Target::"spoofed");\n@id("spoofed-open") permit (principal in Group::"dev", action == Action::"open", resource in Target::"spoofed");',
  });
});
afterAll(async () => {
  await world.stop();
  await new Promise((resolve) => spoofed.close(resolve));
});

const READY = encodeBackend({ type: 'ready-for-query', status: 'I' });
const SSL = encodeStartup({ type: 'ssl-request' });
const GSS = encodeStartup({ type: 'gssenc-request' });
const start = () => encodeStartup(startup({ port: 0, user: 'zz-injected-zz', password: '', database: 'crm' }));
const INJECTED = encodeFrontend({ type: 'query', text: Buffer.from("select 'zz-injected-zz'") });

async function said(client: RawClient): Promise<Buffer> {
  await client.closed();
  return Buffer.concat(client.received);
}

test.each([
  ['SSLRequest', SSL],
  ['GSSENCRequest', GSS],
])('P4 a startup packet in one write with an %s closes the connection', async (_, request) => {
  world.tap.reset();
  const client = await RawClient.connect(world.gateway.port);
  client.write(Buffer.concat([request, start()]));
  const answer = await said(client);
  // An ErrorResponse or nothing, but never a word that encryption may begin, nor a login.
  expect(answer.subarray(0, 1).toString()).not.toMatch(/[SNR]/);
  expect(world.tap.connections()).toBe(0);
  await refusedBytes(world.gateway, 'WIRE_OUT_OF_ORDER', 'without waiting for its answer');
});

test.each([
  ['a query', INJECTED],
  ['one byte', Buffer.of(0x16)],
  ['another SSLRequest', SSL],
])('P4 %s in one write with an SSLRequest closes the connection', async (_, extra) => {
  const client = await RawClient.connect(world.gateway.port);
  client.write(Buffer.concat([SSL, extra]));
  expect((await said(client)).subarray(0, 1).toString()).not.toBe('S');
});

test('P4 plain text where the TLS handshake is due closes the connection', async () => {
  world.tap.reset();
  const client = await RawClient.connect(world.gateway.port);
  const answered = new Promise((resolve) => client.socket.once('data', resolve));
  client.write(SSL);
  await answered;
  client.write(start());
  const answer = await said(client);
  expect(answer.toString('latin1')).toMatch(/^S/);
  expect(answer.includes('zz-injected-zz')).toBe(false);
  expect(world.tap.connections()).toBe(0);
  await refusedBytes(world.gateway, 'WIRE_MALFORMED', 'the TLS handshake failed');
});

test('P4 a second SSLRequest, and one inside TLS’s place, closes the connection', async () => {
  const client = await RawClient.connect(world.gateway.port);
  client.write(GSS);
  await new Promise((resolve) => client.socket.once('data', resolve));
  client.write(GSS);
  await client.closed();
  await refusedBytes(world.gateway, 'WIRE_OUT_OF_ORDER', 'a second gssenc-request');
});

/** A man in the middle that adds bytes to what the client writes first. */
async function between(port: number, tamper: (bytes: Buffer) => Buffer): Promise<net.Server> {
  const server = net.createServer((client) => {
    const upstream = net.connect(port, '127.0.0.1');
    let first = true;
    client.on('data', (bytes: Buffer) => {
      upstream.write(first ? tamper(bytes) : bytes);
      first = false;
    });
    upstream.pipe(client);
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.on('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

test.each([
  ['a query', INJECTED],
  ['a startup packet', start()],
])(
  'P4 psql, with %s put behind its SSLRequest on the way, is not let in and nothing of it passes',
  async (_, extra) => {
    const middle = await between(world.gateway.port, (bytes) => Buffer.concat([bytes, extra]));
    world.tap.reset();
    const { port } = middle.address() as net.AddressInfo;
    const ran = await world.gateway.psql('ann', 'crm', 'select 1', {
      env: { PGPORT: String(port), PGGSSENCMODE: 'disable' },
    });
    expect(ran.status).not.toBe(0);
    expect(ran.stdout).toBe('');
    expect(world.tap.connections()).toBe(0);
    expectUnseen(world, 'zz-injected-zz');
    await new Promise((resolve) => middle.close(resolve));
  },
);

test('P4 psql through the same man in the middle is let in when he keeps his hands off', async () => {
  const middle = await between(world.gateway.port, (bytes) => bytes);
  const { port } = middle.address() as net.AddressInfo;
  const ran = await world.gateway.psql('ann', 'crm', 'select 1', { env: { PGPORT: String(port) } });
  expect(ran).toMatchObject({ status: 0, stdout: '1\n' });
  await new Promise((resolve) => middle.close(resolve));
});

test('P4 a target that adds bytes to its S is not spoken to: they are nobody’s answer, and no name or password is sent', async () => {
  await expect(world.gateway.login('ann', 'spoofed')).rejects.toThrow('FATAL');
  const psql = await world.gateway.psql('ann', 'spoofed', 'select 1');
  expect(psql).toMatchObject({ status: 2, stdout: '' });
  expect(spoofedSaw).not.toBe('');
  expect(spoofedSaw).not.toMatch(/gateway_rw|rw-demo|user|crm/);
});
