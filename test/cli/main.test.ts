import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const directory = mkdtempSync(join(tmpdir(), 'sp-main-'));
afterAll(() => rmSync(directory, { recursive: true }));

function sallyport(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    cwd: directory,
    env: { PATH: process.env.PATH },
  });
  return { status, stdout, stderr };
}

describe('the process', { timeout: 30_000 }, () => {
  test('ends with the exit code of its command and nothing else to say', () => {
    expect(sallyport('--version')).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      stderr: '',
    });
    expect(sallyport('whoami')).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringContaining('sallyport: USAGE:'),
    });
    expect(sallyport('targets', '--config', 'absent.yaml')).toMatchObject({ status: 1, stdout: '' });
  });

  test('checks real policies, every problem of them at once', () => {
    writeFileSync(join(directory, 'sallyport.yaml'), 'policies: [p.cedar]\n');
    writeFileSync(
      join(directory, 'p.cedar'),
      '@id("a") permit (principal, action == Action::"sql.raed", resource);\n@id("a") permit (principal, action, resource) when { context.nothing == 1 };\n',
    );
    const { status, stderr } = sallyport('check', '--config', 'sallyport.yaml');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^p\.cedar:1: .*sql\.raed/m);
    expect(stderr).toMatch(/^p\.cedar:2: /m);
  });

  test('is not a failure when its reader goes away', async () => {
    const child = spawn(process.execPath, [MAIN, 'completion', 'fish'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (bytes) => (stderr += String(bytes)));
    const status = await new Promise((resolve) => child.on('close', resolve));
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
