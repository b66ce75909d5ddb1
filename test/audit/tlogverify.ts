import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const SOURCE = join(ROOT, 'test', 'tlogverify');
const BINARIES = join(ROOT, '.cache', 'tlogverify');

/** Builds a program of `test/tlogverify` when it is not there or older than its source. */
export function goProgram(name: 'tlogverify' | 'gen'): string {
  const source = name === 'gen' ? join(SOURCE, 'gen') : SOURCE;
  const binary = join(BINARIES, name);
  if (existsSync(binary) && statSync(binary).mtimeMs > statSync(join(source, 'main.go')).mtimeMs) return binary;
  mkdirSync(BINARIES, { recursive: true });
  const built = spawnSync('go', ['build', '-o', binary, source === SOURCE ? '.' : './gen'], {
    cwd: SOURCE,
    encoding: 'utf8',
  });
  if (built.error !== undefined) throw new Error('go is not installed: apt-get install -y golang');
  if (built.status !== 0) throw new Error(`go build failed: ${built.stderr}`);
  return binary;
}

/** What the independent checker says: whether the log is whole, and its words. */
export function tlogverify(
  directory: string,
  vkey: string,
  ...more: readonly string[]
): { readonly whole: boolean; readonly words: string } {
  const ran = spawnSync(goProgram('tlogverify'), [...more, directory, vkey.trim()], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (ran.status !== 0 && ran.status !== 1) throw new Error(`tlogverify failed: ${ran.stderr}${ran.stdout}`);
  return { whole: ran.status === 0, words: ran.stdout };
}

/** Writes a log that has nothing to do with this program; returns its key. */
export function generate(directory: string, entries: number, ...more: readonly string[]): string {
  const old = Math.floor(entries / 2);
  const args = ['-entries', String(entries), '-old', String(old), ...more, directory];
  return execFileSync(goProgram('gen'), args, { encoding: 'utf8' }).split('\n')[0] ?? '';
}
