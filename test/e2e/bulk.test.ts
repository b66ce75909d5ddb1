import { afterAll, beforeAll, expect, test } from 'vitest';
import { memoryKib } from '../bench/cpu.ts';
import { startWorld, type World } from './world.ts';

/** Big results pass through; they do not pile up. */
let world: World;

/** V8 compiles the policy engine's hot parts in the background after its first decisions, and that takes memory for a moment. */
async function settled(): Promise<void> {
  let last = 0;
  for (let quiet = 0; quiet < 4; ) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const now = memoryKib(PID(), 'VmRSS');
    quiet = Math.abs(now - last) < 8 * 1024 ? quiet + 1 : 0;
    last = now;
  }
}

beforeAll(async () => {
  world = await startWorld({
    sql: `create table numbers as select i, 'row ' || i as text from generate_series(1, 100000) i;
create table uploaded (i int, text text);
grant select on numbers to gateway_rw; grant select, insert on uploaded to gateway_rw;`,
  });
});
afterAll(() => world.stop());

const PID = () => world.gateway.process.pid ?? 0;
const GROWTH_KIB_MAX = 96 * 1024;

async function stream(sql: string, chunk: (bytes: number) => Promise<void> | void): Promise<number> {
  const client = await world.gateway.login('max', 'crm');
  const { socket } = client;
  socket.removeAllListeners('data');
  let total = 0;
  let tail = Buffer.alloc(0);
  const done = new Promise<void>((resolve, reject) => {
    socket.on('close', () => reject(new Error('closed in the middle')));
    socket.on('data', (bytes: Buffer) => {
      total += bytes.length;
      tail = Buffer.concat([tail, bytes]).subarray(-6);
      const waiting = chunk(bytes.length);
      if (waiting instanceof Promise) {
        socket.pause();
        void waiting.then(() => socket.resume());
      }
      if (tail.equals(Buffer.from('5a0000000549', 'hex'))) resolve();
    });
  });
  client.send({ type: 'query', text: Buffer.from(sql) });
  await done;
  client.end();
  return total;
}

test('ten million rows pass with flat memory', async () => {
  await stream('select * from numbers', () => {});
  await settled();
  const before = memoryKib(PID(), 'VmRSS');
  let highest = before;
  let chunks = 0;
  const total = await stream('select a.i from numbers a, generate_series(1, 100) g', () => {
    chunks += 1;
    if (chunks % 500 === 0) highest = Math.max(highest, memoryKib(PID(), 'VmRSS'));
  });
  expect(total).toBeGreaterThan(10_000_000 * 12);
  expect(highest - before).toBeLessThan(GROWTH_KIB_MAX);
}, 180_000);

test('a client that reads slowly slows the target, not the gateway down', async () => {
  const before = memoryKib(PID(), 'VmRSS');
  let paused = false;
  const total = await stream('select * from numbers a, generate_series(1, 5) g', async (bytes) => {
    if (paused || bytes === 0) return;
    paused = true;
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(memoryKib(PID(), 'VmRSS') - before).toBeLessThan(GROWTH_KIB_MAX);
    // Another session is served meanwhile.
    expect((await world.gateway.psql('max', 'crm', 'select 1')).stdout).toBe('1\n');
  });
  expect(total).toBeGreaterThan(500_000 * 20);
}, 60_000);

test('an upload is taken as fast as the target takes it', async () => {
  const rows = Array.from({ length: 200_000 }, (_, i) => `${i}\tuploaded row number ${i}`).join('\n');
  const before = memoryKib(PID(), 'VmRSS');
  const ran = await world.gateway.run('max', 'crm', 'psql', ['-X', '-q', '-c', '\\copy uploaded from stdin'], {
    input: `${rows}\n`,
  });
  expect(ran).toMatchObject({ status: 0, stderr: '' });
  expect((await world.gateway.psql('max', 'crm', 'select count(*) from uploaded')).stdout).toBe('200000\n');
  expect(memoryKib(PID(), 'VmRSS') - before).toBeLessThan(GROWTH_KIB_MAX);
}, 60_000);
