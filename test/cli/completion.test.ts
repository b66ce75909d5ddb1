import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { collectingIo, NO_ROOMS } from './io.ts';

const directory = mkdtempSync(join(tmpdir(), 'sp-completion-'));
const script = join(directory, 'completion.bash');

beforeAll(async () => {
  writeFileSync(script, await completion('bash'));
});
afterAll(() => rmSync(directory, { recursive: true }));

async function completion(shell: string): Promise<string> {
  const { io, out } = collectingIo();
  expect(await run(['completion', shell], io, NO_ROOMS)).toBe(0);
  return out().stdout;
}

/** What bash offers after these words; the last is being typed. */
function offered(words: readonly string[]): string[] {
  const program =
    'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _sallyport; printf "%s\\n" "${COMPREPLY[@]}"';
  const text = execFileSync('bash', ['-c', program, 'bash', script, ...words], { encoding: 'utf8', cwd: directory });
  return text.split('\n').filter((line) => line !== '');
}

describe('completion in bash', () => {
  test.each([
    [['sallyport', 'ses'], ['sessions']],
    [
      ['sallyport', 'sessions', ''],
      ['ls', 'show', 'tail', 'replay', 'kill'],
    ],
    [['sallyport', '--json', 'sessions', 're'], ['replay']],
    [['sallyport', 'token', 'create', 'x', '--t'], ['--ttl']],
    [['sallyport', 'audit', 'verify', '--require'], ['--require-anchor']],
    [['sallyport', 'whoami', '--gate'], ['--gateway']],
    [['sallyport', 'check', '--config', 'comp'], ['completion.bash']],
    [['sallyport', 'nonsense', 'zzz'], []],
  ])('after %j offers %j', (words, wanted) => {
    const got = offered(words);
    for (const word of wanted) expect(got).toContain(word);
    if (wanted.length === 0) expect(got).toEqual([]);
  });
});

test.each(['zsh', 'fish'])('completion for %s names every command and quotes every description', async (shell) => {
  const text = await completion(shell);
  for (const word of ['serve', 'sessions', 'replay', 'require-anchor', 'ttl']) expect(text).toContain(word);
  // Single quotes in pairs, whatever stands in a description.
  expect(text.replace(/'\\''/g, '').split("'").length % 2).toBe(1);
});
