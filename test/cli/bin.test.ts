import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let root = '';
const bin = () => join(root, 'bin/sallyport');

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sp bin-'));
  mkdirSync(join(root, 'bin'));
  mkdirSync(join(root, 'dist'));
  mkdirSync(join(root, 'path'));
  copyFileSync(join(import.meta.dirname, '../../bin/sallyport'), bin());
  chmodSync(bin(), 0o755);
  writeFileSync(join(root, 'dist/main.js'), '');
});
afterEach(() => rmSync(root, { recursive: true }));

/** A node that says which it is, and answers as that version would. */
function fakeNode(path: string, version: string): void {
  mkdirSync(join(path, '..'), { recursive: true });
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const good = major > 24 || (major === 24 && minor >= 7) ? 0 : 1;
  writeFileSync(
    path,
    `#!/bin/sh\ncase $1 in -e) exit ${good};; --version) echo v${version};; *) echo "${version}: $*";; esac\n`,
  );
  chmodSync(path, 0o755);
}

function call(path = bin(), args: readonly string[] = ['a b', '--c']) {
  const { status, stdout, stderr } = spawnSync('/bin/sh', [path, ...args], {
    encoding: 'utf8',
    env: { PATH: `${join(root, 'path')}:/usr/bin:/bin` },
  });
  return { status, stdout, stderr };
}

describe('bin/sallyport', () => {
  test('runs the built program on the Node beside it, whatever is on the PATH', () => {
    fakeNode(join(root, 'node_modules/.bin/node'), '24.21.0');
    fakeNode(join(root, 'path/node'), '20.0.0');
    expect(call()).toEqual({ status: 0, stdout: `24.21.0: ${root}/dist/main.js a b --c\n`, stderr: '' });
  });

  test.each(['24.7.0', '26.0.0'])('runs on %s from the PATH where there is none beside it', (version) => {
    fakeNode(join(root, 'path/node'), version);
    expect(call().stdout).toContain(`${version}: ${root}/dist/main.js`);
  });

  test.each(['20.19.0', '24.6.9'])('says that %s is too old', (version) => {
    fakeNode(join(root, 'path/node'), version);
    const said = call();
    expect(said.status).toBe(1);
    expect(said.stderr).toContain('24.7');
    expect(said.stderr).toContain(`v${version}`);
  });

  test('says that it is not built yet', () => {
    rmSync(join(root, 'dist/main.js'));
    expect(call()).toMatchObject({ status: 1, stderr: expect.stringContaining('npm run build') });
  });

  test('finds its place through the links that npm makes', () => {
    fakeNode(join(root, 'node_modules/.bin/node'), '24.21.0');
    symlinkSync('../../bin/sallyport', join(root, 'node_modules/.bin/sallyport'));
    symlinkSync(join(root, 'node_modules/.bin/sallyport'), join(root, 'path/sp'));
    expect(call(join(root, 'path/sp')).stdout).toContain(`${root}/dist/main.js`);
  });
});
