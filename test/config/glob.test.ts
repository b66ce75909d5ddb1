import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ConfigFiles } from '../../src/config/files.ts';
import { expandGlob, MATCHES_MAX, mayMatch } from '../../src/config/glob.ts';

function files(paths: readonly string[]): ConfigFiles {
  return {
    read: () => '',
    exists: (path) => paths.includes(path),
    list(directory) {
      const prefix = directory === '/' ? '/' : `${directory}/`;
      const inside = paths.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
      return [...new Map(inside.map((path) => [path.split('/')[0] ?? '', path.includes('/')]))].map(
        ([name, isDirectory]) => ({
          name,
          directory: isDirectory,
        }),
      );
    },
  };
}

const TREE = [
  '/c/a.cedar',
  '/c/b.cedar',
  '/c/a.txt',
  '/c/.hidden.cedar',
  '/c/x/c.cedar',
  '/c/x/y/d.cedar',
  '/c/we[ird].cedar',
];

describe('a pattern', () => {
  test.each([
    ['*.cedar', ['/c/a.cedar', '/c/b.cedar', '/c/we[ird].cedar']],
    ['./?.cedar', ['/c/a.cedar', '/c/b.cedar']],
    ['.*.cedar', ['/c/.hidden.cedar']],
    ['*/*.cedar', ['/c/x/c.cedar']],
    ['**/*.cedar', ['/c/a.cedar', '/c/b.cedar', '/c/we[ird].cedar', '/c/x/c.cedar', '/c/x/y/d.cedar']],
    ['we[ird].cedar', ['/c/we[ird].cedar']],
    ['/c/a.*', ['/c/a.cedar', '/c/a.txt']],
    ['../c/a.txt', ['/c/a.txt']],
    ['absent', []],
    ['x', []],
  ])('%s names %j', (pattern, paths) => {
    expect(expandGlob(pattern, '/c', files(TREE)).paths).toEqual(paths);
  });

  test('ends on a tree without end, and on more matches than are allowed', () => {
    const endless: ConfigFiles = {
      read: () => '',
      exists: () => true,
      list: () => [
        { name: 'd', directory: true },
        { name: 'f', directory: false },
      ],
    };
    expect(expandGlob('**/f', '/', endless).tooMany).toBe(true);
    const many = files(Array.from({ length: MATCHES_MAX + 1 }, (_, index) => `/c/${index}.cedar`));
    const matches = expandGlob('*.cedar', '/c', many);
    expect({ tooMany: matches.tooMany, count: matches.paths.length }).toEqual({ tooMany: true, count: MATCHES_MAX });
  });

  test('that names a path may match it, and every directory above it', () => {
    const pattern = fc
      .array(fc.constantFrom('a', 'b', '*', '**', '?', 'a*'), { minLength: 1, maxLength: 4 })
      .map((parts) => `/${parts.join('/')}/f.cedar`);
    const tree = ['/a/f.cedar', '/b/f.cedar', '/a/b/f.cedar', '/a/a/b/f.cedar', '/f.cedar', '/ab/c/f.cedar'];
    fc.assert(
      fc.property(pattern, (text) => {
        for (const path of expandGlob(text, '/', files(tree)).paths) {
          const segments = path.split('/').slice(1);
          for (let end = 1; end <= segments.length; end++)
            expect(mayMatch(text, `/${segments.slice(0, end).join('/')}`)).toBe(true);
        }
      }),
    );
  });

  test.each([
    ['/c/*.cedar', '/c/serve.log', false],
    ['/c/*.cedar', '/c/data', false],
    ['/c/*.cedar', '/c/x.cedar', true],
    ['/c/teams/*/t.yaml', '/c/teams', true],
    ['/c/teams/*/t.yaml', '/c/teams/new', true],
    ['/c/teams/*/t.yaml', '/c/teams/new/other', false],
    ['/c/**/t.yaml', '/c/any/where', true],
  ])('%s and a change at %s: %s', (pattern, path, may) => {
    expect(mayMatch(pattern, path)).toBe(may);
  });
});
