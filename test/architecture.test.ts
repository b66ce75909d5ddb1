import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '..');
const documents = ['ARCHITECTURE.md', 'CONTRIBUTING.md', ...folder('docs'), ...folder('docs/adr')].map((path) => ({
  path,
  text: readFileSync(join(ROOT, path), 'utf8'),
}));

describe('what the documents name is there', () => {
  test('there are documents to look at, and paths in them', () => {
    expect(documents.length).toBeGreaterThan(12);
    expect(documents.flatMap(({ text }) => pathsOf(text)).length).toBeGreaterThan(100);
  });

  test('every path in backticks exists', () => {
    const missing = documents.flatMap(({ path, text }) =>
      pathsOf(text)
        .filter((named) => !existsSync(join(ROOT, named)))
        .map((named) => `${path}: ${named}`),
    );
    expect(missing).toEqual([]);
  });

  test('every link to another file leads to one', () => {
    const dead = documents.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
        .map(([, link = '']) => join(dirname(path), link))
        .filter((link) => !existsSync(join(ROOT, link)))
        .map((link) => `${path}: ${link}`),
    );
    expect(dead).toEqual([]);
  });

  test('every npm script that is named exists', () => {
    const { scripts } = z
      .object({ scripts: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')));
    const missing = documents.flatMap(({ path, text }) =>
      [...text.matchAll(/`npm run ([\w:-]+)/g)]
        .filter(([, script = '']) => scripts[script] === undefined)
        .map(([, script]) => `${path}: ${script}`),
    );
    expect(missing).toEqual([]);
  });

  test('every metric that is named is counted', () => {
    const counted = named(readFileSync(join(ROOT, 'src/observe/metrics.ts'), 'utf8'));
    const told = named(documentText('docs/deployment.md'));
    expect(told.size).toBeGreaterThan(8);
    expect([...told].filter((name) => !counted.has(name))).toEqual([]);
  });

  test('every error code that is named is one', () => {
    const codes = new Set(readFileSync(join(ROOT, 'src/core/errors.ts'), 'utf8').match(/(?<=')[A-Z]+(_[A-Z]+)+(?=')/g));
    const prefixes = new Set([...codes].map((code) => code.split('_')[0]));
    const wrong = documents.flatMap(({ path, text }) =>
      (text.match(/(?<=`)[A-Z]+(_[A-Z]+)+(?=`)/g) ?? [])
        .filter((code) => prefixes.has(code.split('_')[0]) && !codes.has(code))
        .map((code) => `${path}: ${code}`),
    );
    expect(codes.size).toBeGreaterThan(30);
    expect(wrong).toEqual([]);
  });
});

describe('ARCHITECTURE.md', () => {
  const text = documentText('ARCHITECTURE.md');

  test('can be read in one sitting', () => {
    expect(text.split('\n').length).toBeLessThanOrEqual(250);
  });

  test('names every room of the house', () => {
    const rooms = ['src', 'src/protocols'].flatMap((parent) =>
      readdirSync(join(ROOT, parent), { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && readdirSync(join(ROOT, parent, entry.name)).length > 0)
        .map((entry) => `${parent}/${entry.name}/`),
    );
    expect(rooms.filter((room) => !text.includes(`| \`${room}\``) && !text.includes(` \`${room}\` |`))).toEqual([]);
  });

  test('lists every decision that has a page of its own, but for those about single packages', () => {
    const silent = folder('docs/adr').filter((page) => !text.includes(page) && !/packages|certificates/.test(page));
    expect(silent).toEqual([]);
  });
});

describe('docs/mistakes-of-others.md', () => {
  const text = documentText('docs/mistakes-of-others.md');
  const shown = [...text.matchAll(/`(test\/[^`]+\.ts)`, “([^”]+)”/g)].map(([, path = '', title = '']) => ({
    path,
    title,
  }));

  test('quotes tests by titles that they have', () => {
    expect(shown.length).toBeGreaterThan(15);
    const wrong = shown.filter(({ path, title }) => !readFileSync(join(ROOT, path), 'utf8').includes(title));
    expect(wrong).toEqual([]);
  });

  test('every mistake says what stands against it, and which test shows that or that none does yet', () => {
    const entries = text.split(/^### /m).slice(1);
    expect(entries.length).toBeGreaterThan(15);
    for (const entry of entries) {
      expect(entry).toContain('\n**Here.** ');
      expect(entry).toContain('\n**Shown by** ');
    }
  });
});

/** Markdown files of a folder, not of the folders below it. */
function folder(path: string): readonly string[] {
  return readdirSync(join(ROOT, path))
    .filter((name) => name.endsWith('.md') && statSync(join(ROOT, path, name)).isFile())
    .map((name) => relative(ROOT, join(ROOT, path, name)));
}

function documentText(path: string): string {
  const found = documents.find((document) => document.path === path);
  if (found === undefined) throw new Error(`no document ${path}`);
  return found.text;
}

/** What stands in backticks and is a path of this repository: it begins with a folder of it, outside of code blocks. */
function pathsOf(text: string): readonly string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');
  return (
    [...prose.matchAll(/`([^`\s]+)`/g)]
      .map(([, word = '']) => word)
      // `demo/dba` is a group; the demo's own files end in .mjs.
      .filter((word) => /^demo\/.*\.mjs$/.test(word) || (word.includes('/') && TOP.has(word.split('/')[0] ?? '')))
      .map((word) => word.replace(/\/?\*.*$/, ''))
  );
}

function named(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/[`'](sallyport_\w+)/g)].map(([, name = '']) => name));
}

const TOP = new Set(['.ci', 'bin', 'docs', 'examples', 'policies', 'schema', 'scripts', 'src', 'test']);
