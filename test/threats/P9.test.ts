import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeStartup } from '../../src/protocols/postgres/startup.ts';
import { startWorld, type World } from '../e2e/world.ts';
import { RawClient, startup } from '../servers/raw-client.ts';
import { errorIn, pause, rowsIn } from './attack.ts';

/** Who may cancel: only who knows the key, only what runs in that very session, and never what comes after it. */
let world: World;
beforeAll(async () => {
  world = await startWorld({
    policies:
      '@id("sleeps") permit (principal in Group::"dev", action == Action::"sql.execute", resource in Target::"crm");',
  });
});
afterAll(async () => {
  expect(await world.gateway.verify()).toMatchObject({ whole: true });
  await world.stop();
});

interface Key {
  readonly processId: number;
  readonly secret: Buffer;
}

async function loggedIn(minor: number, user = 'ann'): Promise<{ client: RawClient; key: Key }> {
  const password = await world.gateway.token(user);
  const client = await RawClient.connect(world.gateway.port);
  client.write(encodeStartup(startup({ port: 0, user, password, database: 'crm', minor })));
  await client.authenticate(password);
  const welcome = await client.until('ready-for-query');
  const key = welcome.find((message) => message.type === 'backend-key-data');
  if (key === undefined) throw new Error('no key was given');
  return { client, key };
}

/** Sends a CancelRequest as libpq does, and waits until the other side has closed. */
function cancel({ processId, secret }: Key): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const answer: Buffer[] = [];
    const socket = net.connect(world.gateway.port, '127.0.0.1', () => {
      socket.write(encodeStartup({ type: 'cancel-request', processId, secret }));
    });
    socket.on('data', (bytes: Buffer) => answer.push(bytes));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(answer)));
  });
}

/** The target's own cancel requests that went through the tap. */
const cancelsAtTarget = () => {
  const code = Buffer.from('04d2162e', 'hex');
  let [found, at] = [0, -1];
  for (;;) {
    at = world.tap.sent().indexOf(code, at + 1);
    if (at < 0) return found;
    found += 1;
  }
};

const sleeping = (client: RawClient, seconds = 30) =>
  client.send({ type: 'query', text: Buffer.from(`select pg_sleep(${seconds})`) });

test.each([0, 2])('P9 the right key under protocol 3.%i cancels what runs, and the session goes on', async (minor) => {
  const { client, key } = await loggedIn(minor);
  expect(key.secret).toHaveLength(minor === 2 ? 32 : 4);
  sleeping(client);
  await pause(300);
  const began = Date.now();
  expect(await cancel(key)).toHaveLength(0);
  expect(errorIn(await client.until('ready-for-query'))).toMatchObject({ C: '57014' });
  expect(Date.now() - began).toBeLessThan(5_000);
  expect(rowsIn(await client.query('select 7'))).toEqual([['7']]);
  client.end();
});

test('P9 the secret is the gateway’s own: the target’s is never shown, the process id is', async () => {
  const seen = new Set<string>();
  for (let time = 0; time < 20; time += 1) {
    const { client, key } = await loggedIn(2);
    expect(rowsIn(await client.query('select pg_backend_pid()'))).toEqual([[String(key.processId)]]);
    seen.add(key.secret.toString('hex'));
    client.end();
  }
  expect(seen.size).toBe(20);
  const [secret = ''] = seen;
  // Sixteen bytes or more: the space cannot be searched.
  expect(secret.length / 2).toBeGreaterThanOrEqual(16);
  expect(world.tap.sent().includes(Buffer.from(secret, 'hex'))).toBe(false);
});

test('P9 psycopg’s cancel, which is what Ctrl-C in psql sends, ends a query', async () => {
  const ran = await world.gateway.run('ann', 'crm', '/usr/bin/python3', [
    '-c',
    `
import psycopg, threading, time
with psycopg.connect("", autocommit=True) as c:
    threading.Timer(0.5, c.cancel).start()
    began = time.time()
    try:
        c.execute("select pg_sleep(30)")
    except psycopg.errors.QueryCanceled as e:
        print("cancelled", e.sqlstate, time.time() - began < 10)
    print(c.execute("select 7").fetchone())
`,
  ]);
  expect(ran.stderr).toBe('');
  expect(ran.stdout).toBe('cancelled 57014 True\n(7,)\n');
});

test('P9 psql, interrupted, says so and goes on', async () => {
  const script = `
import os, pty, signal, subprocess, time
p = subprocess.Popen(["psql", "-X", "-q", "-At", "-c", "select pg_sleep(30)", "-c", "select 7"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
time.sleep(1.5)
p.send_signal(signal.SIGINT)
out, err = p.communicate(timeout=20)
print(out.decode().strip(), "|", err.decode().strip().splitlines()[-1])
`;
  const ran = await world.gateway.run('ann', 'crm', '/usr/bin/python3', ['-c', script]);
  expect(ran.stderr).toBe('');
  expect(ran.stdout).toContain('canceling statement due to user request');
});

test('P9 twenty thousand forged keys cancel nothing, and are not told so', async () => {
  const { client, key } = await loggedIn(0);
  sleeping(client, 12);
  await pause(200);
  world.tap.reset();
  let left = 20_000;
  const began = Date.now();
  const lane = async () => {
    // Each connection carries one request, which is all the protocol allows; bounded by time on a slow machine.
    while (left > 0 && Date.now() - began < 10_000) {
      left -= 1;
      const secret = randomBytes(4);
      if (secret.equals(key.secret)) continue;
      await cancel({ processId: key.processId, secret }).catch(() => {});
    }
  };
  await Promise.all(Array.from({ length: 40 }, lane));
  expect(cancelsAtTarget()).toBe(0);
  const answer = await client.until('ready-for-query', 30_000);
  expect(answer.some(({ type }) => type === 'error')).toBe(false);
  client.end();
}, 60_000);

test.each([
  ['too short', (secret: Buffer) => secret.subarray(0, 4)],
  ['longer', (secret: Buffer) => Buffer.concat([secret, Buffer.alloc(4)])],
  ['of zeros', (secret: Buffer) => Buffer.alloc(secret.length)],
  ['one bit off', (secret: Buffer) => Buffer.concat([secret.subarray(0, -1), Buffer.of((secret.at(-1) ?? 0) ^ 1)])],
])('P9 a key that is %s cancels nothing', async (_, spoil) => {
  const { client, key } = await loggedIn(2);
  sleeping(client, 1);
  world.tap.reset();
  await cancel({ processId: key.processId, secret: spoil(key.secret) });
  expect((await client.until('ready-for-query')).some(({ type }) => type === 'error')).toBe(false);
  expect(cancelsAtTarget()).toBe(0);
  client.end();
});

test('P9 another session’s key does not cancel this one', async () => {
  const [mine, other] = [await loggedIn(2), await loggedIn(2, 'fay')];
  sleeping(mine.client, 1);
  world.tap.reset();
  await cancel({ processId: mine.key.processId, secret: other.key.secret });
  await cancel(other.key);
  expect((await mine.client.until('ready-for-query')).some(({ type }) => type === 'error')).toBe(false);
  expect(cancelsAtTarget()).toBe(0);
  mine.client.end();
  other.client.end();
});

test('P9 a cancel after the end of its session reaches nobody', async () => {
  const { client, key } = await loggedIn(2);
  client.send({ type: 'terminate' });
  await client.closed();
  await pause(200);
  world.tap.reset();
  await cancel(key);
  await pause(200);
  expect(world.tap.sent()).toHaveLength(0);
});

test('P9 a cancel while nothing runs is not forwarded, so it cannot hit what comes next', async () => {
  const { client, key } = await loggedIn(2);
  await client.query('select 1');
  world.tap.reset();
  for (let time = 0; time < 20; time += 1) {
    await cancel(key);
    expect(rowsIn(await client.query(`select ${time}`))).toEqual([[String(time)]]);
  }
  expect(cancelsAtTarget()).toBe(0);
  client.end();
});

test('P9 a cancel that comes late hits no statement but the one it was meant for', async () => {
  const { client, key } = await loggedIn(2);
  for (let time = 0; time < 15; time += 1) {
    client.send({ type: 'query', text: Buffer.from('select pg_sleep(0.02)') });
    await pause(time * 3);
    // The gateway has it, the target not yet: what follows waits until it is through.
    await cancel(key);
    client.send({ type: 'query', text: Buffer.from(`select ${time}, pg_sleep(0.01)::text`) });
    await client.until('ready-for-query');
    expect(rowsIn(await client.until('ready-for-query'))).toEqual([[String(time), '']]);
  }
  client.end();
});
