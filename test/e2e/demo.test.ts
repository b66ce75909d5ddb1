import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
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
  const child = spawn(BIN, ['demo'], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } });
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  try {
    await expect.poll(() => said, { timeout: 60_000 }).toContain('Ctrl-C ends it all');
    const password = /export PGPASSWORD='([^']+)'/.exec(said)?.[1] ?? '';
    const line = /^ {2}(psql ".*")$/m.exec(said)?.[1] ?? '';
    expect(line).toContain('sslmode=verify-full');
    const env = { ...process.env, PGPASSWORD: password };
    const ran = await spawned('bash', ['-c', `${line} -At -c 'select ssn from customers where id = 2'`], { env });
    // The tour has shown that literals do not matter to a plain select; the column comes back masked.
    expect(ran).toMatchObject({ status: 0, stdout: '*******7890\n' });
    const config = /export SALLYPORT_CONFIG=(.*)$/m.exec(said)?.[1] ?? '';
    const listed = await spawned(BIN, ['sessions', 'ls'], { env: { ...process.env, SALLYPORT_CONFIG: config } });
    expect(listed.stdout).toContain('demo/u-1001');
    child.kill('SIGINT');
    expect(await exit).toBe(0);
    expect(existsSync(config)).toBe(false);
  } finally {
    child.kill('SIGKILL');
  }
});
