import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'fuzz-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

// In a process of its own: coverage is that of a whole process, and a hang ends it.
function maze(fault: string) {
  return spawnSync(process.execPath, [join(import.meta.dirname, 'maze.ts'), directory, fault], {
    encoding: 'utf8',
    timeout: 60_000,
  });
}

test('the fuzzer follows coverage into a fault that luck would not find, and keeps the input', {
  timeout: 60_000,
}, () => {
  const { stdout, status } = maze('throw');
  expect(status).toBe(0);
  const outcome = JSON.parse(stdout) as { crashers: string[]; executions: number; corpus: number };
  expect(outcome.crashers).toHaveLength(1);
  expect(outcome.crashers[0]).toContain('TypeError: the middle of the maze');
  expect(outcome.executions).toBeLessThan(5_000_000);
  const [crasher = ''] = readdirSync(join(directory, 'crashers'));
  expect(readFileSync(join(directory, 'crashers', crasher)).toString('latin1')).toMatch(/^Maze/);
  // One input for each step on the way.
  expect(readdirSync(join(directory, 'corpus', 'maze')).length).toBeGreaterThanOrEqual(4);
});

test('the fuzzer ends when an input hangs, and keeps it', { timeout: 60_000 }, () => {
  const { signal, stderr } = maze('hang');
  expect(signal).toBe('SIGKILL');
  expect(stderr).toContain('hung: ');
  expect(readFileSync(join(directory, 'crashers', 'maze-hung.bin')).toString('latin1')).toMatch(/^Maze/);
});
