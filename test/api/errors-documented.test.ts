import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { problem } from '../../src/api/problem.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import { sqlState } from '../../src/protocols/postgres/refusals.ts';

const root = join(import.meta.dirname, '../..');
const union =
  /export type ErrorCode =([\s\S]*?);/.exec(readFileSync(join(root, 'src/core/errors.ts'), 'utf8'))?.[1] ?? '';
// What stands in the union is an ErrorCode.
const codes = [...union.matchAll(/'([A-Z_]+)'/g)].map(([, code]) => code as ErrorCode);
const page = readFileSync(join(root, 'docs/errors.md'), 'utf8');
const sections = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.split('\n')[0] ?? '', section]),
);

describe('docs/errors.md', () => {
  test('explains every code there is, and no other', () => {
    expect(codes.length).toBeGreaterThan(40);
    expect([...sections.keys()].sort()).toEqual([...codes].sort());
  });

  test.each(codes)('%s says what happened, what to do, and what each surface shows', (code) => {
    const section = sections.get(code) ?? '';
    expect(section).toMatch(/^\S.{20,}$/m);
    expect(section).toMatch(/^\*\*Do:\*\* \S.{8,}$/m);
    expect(section).toContain(`PostgreSQL \`${sqlState(code)}\` · HTTP ${problem(code, '').status} · exit `);
  });

  test('is where the type of a problem points', () => {
    for (const code of codes) expect(problem(code, '').type.split('#')[1]).toBe(code.toLowerCase());
  });
});
