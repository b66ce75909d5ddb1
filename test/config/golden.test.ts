import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ConfigFiles } from '../../src/config/files.ts';
import { loadConfig } from '../../src/config/load.ts';
import { describeProblem } from '../../src/config/problem.ts';

const DIRECTORY = join(import.meta.dirname, 'cases');
const ROOT = '/etc/sallyport';
const NOW = Date.parse('2026-11-20T00:00:00Z');

/**
 * A case is a text: its first lines say what it shows, then sections that begin with `=== `:
 * `=== file NAME` (the first is the configuration), `=== env`, and what comes of it: `=== problems` and `=== warnings`
 * as printed, or `=== config` with lines `path = JSON`.
 */
const names = readdirSync(DIRECTORY).filter((name) => name.endsWith('.txt'));

describe('a configuration file', () => {
  test('has its cases', () => {
    expect(names.length).toBeGreaterThanOrEqual(20);
  });

  test.each(names)('%s', (name) => {
    const { files, env, expected } = readCase(readFileSync(join(DIRECTORY, name), 'utf8'));
    const [first] = files.keys();
    const loaded = loadConfig(first ?? '', env, memoryFiles(files), { now: NOW });
    const problems = loaded.outcome === 'invalid' ? loaded.problems.map(describeProblem) : [];
    expect(problems).toEqual(expected.problems);
    if (expected.warnings !== null) expect(loaded.warnings.map(describeProblem)).toEqual(expected.warnings);
    expect(loaded.outcome).toBe(expected.problems.length > 0 ? 'invalid' : 'loaded');
    if (loaded.outcome !== 'loaded') return;
    const json: unknown = JSON.parse(JSON.stringify(loaded.config));
    for (const { path, value } of expected.config) expect({ [path]: valueAt(json, path) }).toEqual({ [path]: value });
  });
});

interface Expected {
  readonly problems: readonly string[];
  readonly warnings: readonly string[] | null;
  readonly config: readonly { readonly path: string; readonly value: unknown }[];
}

function readCase(text: string): { files: Map<string, string>; env: Record<string, string>; expected: Expected } {
  const files = new Map<string, string>();
  let env: Record<string, string> = {};
  let problems: string[] = [];
  let warnings: string[] | null = null;
  let config: { path: string; value: unknown }[] = [];
  for (const section of text.split(/^=== /m).slice(1)) {
    const end = section.indexOf('\n');
    const [kind, name] = section.slice(0, end).split(' ');
    const body = section.slice(end + 1);
    const lines = body.split('\n').filter((line) => line !== '');
    if (kind === 'file') files.set(`${ROOT}/${name}`, body);
    else if (kind === 'env') env = Object.fromEntries(lines.map((line) => line.split('=', 2)));
    else if (kind === 'problems') problems = lines;
    else if (kind === 'warnings') warnings = lines;
    else if (kind === 'config') {
      config = lines.map((line) => {
        const [path, value] = line.split(/ = (.*)/s);
        return { path: path ?? '', value: JSON.parse(value ?? '') };
      });
    } else throw new Error(`unknown section ${kind}`);
  }
  if (config.length === 0 && problems.length === 0) throw new Error('a case that expects nothing');
  return { files, env, expected: { problems, warnings, config } };
}

function memoryFiles(files: ReadonlyMap<string, string>): ConfigFiles {
  const paths = [...files.keys()];
  return {
    read(path) {
      const text = files.get(path);
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return text;
    },
    list(directory) {
      const inside = paths
        .filter((path) => path.startsWith(`${directory}/`))
        .map((path) => path.slice(directory.length + 1));
      const entries = new Map(inside.map((path) => [path.split('/')[0] ?? '', path.includes('/')]));
      return [...entries].map(([name, isDirectory]) => ({ name, directory: isDirectory }));
    },
    exists: (path) => files.has(path),
  };
}

function valueAt(value: unknown, path: string): unknown {
  let here = value;
  for (const key of path.split(/[.[\]]+/).filter((part) => part !== '')) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as Record<string, unknown>)[key]; // Parsed JSON: any object can be asked for any key.
  }
  return here === undefined ? undefined : here;
}
