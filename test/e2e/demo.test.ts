import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { spawned } from '../servers/gateway.ts';

const BIN = join(import.meta.dirname, '../../bin/sallyport');

test('the demo plays its tour on real servers and says that all of it happened', async () => {
  const ran = await spawned(BIN, ['demo', '--non-interactive'], { timeout_ms: 60_000 });
  expect(ran.status, ran.stderr + ran.stdout).toBe(0);
  expect(ran.stdout).toContain('*******6789');
  expect(ran.stdout).toContain('rule no-drops');
  expect(ran.stdout).toContain('waiting for approval');
  expect(ran.stdout).toContain('UPDATE 1');
  expect(ran.stdout).toContain('All of it happened as told.');
  expect(ran.stdout).not.toMatch(/123-45-6789|✗/);
});

test('the demo stays for trying it by hand, its psql line works as printed, and Ctrl-C leaves nothing behind', async () => {
  const temporary = mkdtempSync(join(tmpdir(), 'sallyport-demo-test-'));
  chmodSync(temporary, 0o755); // The database may run as another user.
  const env = { ...process.env, NO_COLOR: '1', TMPDIR: temporary };
  const child = spawn(BIN, ['demo'], { stdio: ['ignore', 'pipe', 'pipe'], env });
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  try {
    await expect.poll(() => said, { timeout: 60_000 }).toContain('Ctrl-C ends it all');
    const password = readFileSync(/export PGPASSWORD=\$\(cat (.+)\)$/m.exec(said)?.[1] ?? '', 'utf8');
    const line = /^ {2}(psql ".*")$/m.exec(said)?.[1] ?? '';
    expect(line).toContain('sslmode=verify-full');
    const env = { ...process.env, PGPASSWORD: password };
    const ran = await spawned('bash', ['-c', `${line} -At -c 'select ssn from customers where id = 2'`], { env });
    // The tour has shown that literals do not matter to a plain select; the column comes back masked.
    expect(ran).toMatchObject({ status: 0, stdout: '*******7890\n' });
    const config = /export SALLYPORT_CONFIG=(.*)$/m.exec(said)?.[1] ?? '';
    const listed = await spawned(BIN, ['sessions', 'ls'], { env: { ...process.env, SALLYPORT_CONFIG: config } });
    expect(listed.stdout).toContain('demo/u-1001');
    const asDan = /export (SALLYPORT_GATEWAY=.*)$/m.exec(said)?.[1] ?? '';
    const dan = await spawned('bash', ['-c', `export ${asDan}; ${BIN} whoami`]);
    expect(dan.stdout).toContain('dan@example.com');
    child.kill('SIGINT');
    expect(await exit).toBe(0);
    expect(existsSync(config)).toBe(false);
    expect(readdirSync(temporary)).toEqual([]);
    rmdirSync(temporary);
  } finally {
    child.kill('SIGKILL');
  }
});

test('Ctrl-C in the middle of the tour ends it there, without a word of failure, and leaves nothing behind', async () => {
  const temporary = mkdtempSync(join(tmpdir(), 'sallyport-demo-test-'));
  chmodSync(temporary, 0o755);
  const env = { ...process.env, NO_COLOR: '1', TMPDIR: temporary };
  // A process group of its own gets the signal whole, as from a terminal.
  const child = spawn(BIN, ['demo'], { stdio: ['ignore', 'pipe', 'pipe'], env, detached: true });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
  }
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  try {
    await expect.poll(() => said, { timeout: 60_000 }).toContain('1. Ann, a developer');
    process.kill(-(child.pid ?? 0), 'SIGINT');
    expect(await exit).toBe(130);
    expect(said).toContain('stopping …');
    expect(said).not.toMatch(/✗|INTERNAL|Not as told/);
    expect(readdirSync(temporary)).toEqual([]);
    rmdirSync(temporary);
  } finally {
    child.kill('SIGKILL');
  }
});
