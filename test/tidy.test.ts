import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const FILE_LINES_MAX = 400;
/** Fewer than this and the test is looking in the wrong place. */
const FILES_MIN = 60;

interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** Everything it imports from the house. */
  readonly imports: readonly string[];
  /** What of that is there at run time. */
  readonly needs: readonly string[];
}

const files = sources('src');

/** Room (longest prefix wins) → what it may import besides itself and npm packages. Prefixes of paths under src. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  'core/': [],
  'config/': ['core/', 'identity/config.ts', 'identity/check.ts', 'policy/'],
  'protocols/': ['core/'],
  'protocols/wire/': ['core/'],
  'protocols/sql/': ['core/'],
  'protocols/postgres/': ['core/', 'protocols/protocol.ts', 'protocols/wire/', 'protocols/sql/'],
  'identity/': ['core/'],
  'policy/': ['core/'],
  'approval/': ['core/', 'audit/stage.ts'],
  'analyzer/': ['core/'],
  'pipeline/': [
    'core/',
    'policy/stage.ts',
    'approval/stage.ts',
    'identity/stage.ts',
    'analyzer/stage.ts',
    'audit/stage.ts',
  ],
  'masking/': ['core/', 'protocols/protocol.ts'],
  'audit/': ['core/'],
  'gateway/': ['core/', 'protocols/protocol.ts', '*/stage.ts'],
  'api/': ['core/', '*/stage.ts'],
  'observe/': ['core/'],
  'adapters/': ['core/', '*/ports.ts', '*/stage.ts', 'protocols/sql/', 'identity/'],
  'cli/': ['*'],
  'compose/': ['*'],
  'compose.ts': ['*'],
  'main.ts': ['*'],
  'version.ts': [],
};

/** Rooms that touch no socket, file, timer or clock. */
const PURE = ['core/', 'policy/', 'masking/', 'pipeline/', 'protocols/'];
/** The parts of pure rooms that are their rim: a worker has to be started by somebody. */
const RIMS = ['policy/loader.ts', 'policy/worker.ts', 'policy/tests.ts', 'protocols/sql/parser.ts'];
const IMPURE_MODULES =
  /^node:(net|tls|http|http2|https|dgram|dns|fs|fs\/promises|child_process|cluster|timers|timers\/promises|worker_threads)$/;
const IMPURE_CALLS = /\b(setTimeout|setInterval|setImmediate|Date\.now|performance\.now|new Date\(\))\b/;

describe('the house is as ARCHITECTURE draws it', () => {
  test('there are files to look at', () => {
    expect(files.length).toBeGreaterThan(FILES_MIN);
  });

  test('no room imports what it must not', () => {
    const wrong = files.flatMap((file) => {
      const [room, allowed] = roomOf(file.path);
      return file.imports
        .filter(
          (imported) =>
            !imported.startsWith(room) && imported !== file.path && !allowed.some((rule) => matches(rule, imported)),
        )
        .map((imported) => `${file.path} imports ${imported}`);
    });
    expect(wrong).toEqual([]);
  });

  test('pure rooms touch no socket, file, timer or clock', () => {
    const wrong = files
      .filter(({ path }) => PURE.some((room) => path.startsWith(room)) && !RIMS.includes(path))
      .filter(({ text }) => modules(text).some((name) => IMPURE_MODULES.test(name)) || IMPURE_CALLS.test(code(text)))
      .map(({ path }) => path);
    expect(wrong).toEqual([]);
  });

  test('only the pipeline makes a clearance', () => {
    const makers = files.filter(({ imports }) => imports.includes('pipeline/clearance.ts')).map(({ path }) => path);
    expect(makers).toEqual(['pipeline/decide.ts']);
  });

  test('there are no cycles', () => {
    const graph = new Map(files.map((file) => [file.path, file.needs]));
    const done = new Set<string>();
    const walk = (path: string, trail: readonly string[]): readonly string[] | null => {
      if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
      if (done.has(path)) return null;
      for (const next of graph.get(path) ?? []) {
        const cycle = walk(next, [...trail, path]);
        if (cycle !== null) return cycle;
      }
      done.add(path);
      return null;
    };
    const cycles = files.map(({ path }) => walk(path, [])).filter((cycle) => cycle !== null);
    expect(cycles).toEqual([]);
  });
});

describe('every file reads as one idea', () => {
  test(`no file is longer than ${FILE_LINES_MAX} lines`, () => {
    const long = [...files, ...sources('test')]
      .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > FILE_LINES_MAX);
    expect(long).toEqual([]);
  });

  test('nothing is left for later, and no type is given up', () => {
    const banned = /\b(TODO|FIXME|XXX|@ts-ignore|@ts-nocheck|as any)\b|: any\b|<any>/;
    expect(
      files.filter(({ text }) => banned.test(code(text).replace(/'[^'\n]*'/g, "''"))).map(({ path }) => path),
    ).toEqual([]);
  });

  test('there are no barrels', () => {
    const barrels = files.filter(({ text }) => {
      const statements = code(text)
        .split('\n')
        .filter((line) => line.trim() !== '');
      return statements.length > 0 && statements.every((line) => /^export .* from /.test(line));
    });
    expect(barrels.map(({ path }) => path)).toEqual([]);
  });

  test('no test is skipped or runs alone', () => {
    const skipped = /\b(it|test|describe)\.(skip|only|todo|fails|skipIf|runIf)\b/;
    const found = sources('test').filter(({ path, text }) => skipped.test(text) && path !== 'tidy.test.ts');
    expect(found.map(({ path }) => path)).toEqual([]);
  });
});

function sources(folder: string): readonly SourceFile[] {
  const base = join(ROOT, folder);
  return readdirSync(base, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.ts$/.test(entry.name) && !entry.name.endsWith('.d.ts'))
    .map((entry) => {
      const full = join(entry.parentPath, entry.name);
      const text = readFileSync(full, 'utf8');
      const within = (names: readonly string[]) =>
        names.filter((name) => name.startsWith('.')).map((name) => relative(base, resolve(dirname(full), name)));
      const atRunTime = text.replace(/^(import|export) type [^;]*;/gm, '');
      return { path: relative(base, full), text, imports: within(modules(text)), needs: within(modules(atRunTime)) };
    });
}

function modules(text: string): readonly string[] {
  return [...code(text).matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');
}

/** The text without comments, so that prose may speak of what code must not do. */
function code(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
}

function roomOf(path: string): readonly [string, readonly string[]] {
  const [room] = Object.keys(ROOMS)
    .filter((prefix) => path.startsWith(prefix))
    .toSorted((one, other) => other.length - one.length);
  if (room === undefined) throw new Error(`no room for src/${path}`);
  return [room, ROOMS[room] ?? []];
}

function matches(rule: string, imported: string): boolean {
  if (rule === '*') return true;
  if (rule.startsWith('*/')) return imported.endsWith(rule.slice(1));
  return imported.startsWith(rule);
}
