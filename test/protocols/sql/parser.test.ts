import { beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../../src/core/limits.ts';
import { parse } from '../../../src/protocols/sql/parse.ts';
import { loadParser } from '../../../src/protocols/sql/parser.ts';

beforeAll(loadParser);

const unlimited = { ...LIMITS, statement_nesting_max: Number.MAX_SAFE_INTEGER };
const deep = Buffer.from(`SELECT ${'1+'.repeat(100_000)}1`);

test('a text that overflows the parser is not understood, and the next one is', () => {
  expect(() => parse(deep, unlimited)).toThrow('exhausts the parser');
  expect(parse(Buffer.from('SELECT 1; SELECT 2'), LIMITS)).toHaveLength(2);
});

test('as often as it happens', async () => {
  for (let round = 0; round < 5; round += 1) {
    expect(() => parse(deep, unlimited)).toThrow();
    // The fresh parser loads beside what goes on.
    await loadParser();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(parse(Buffer.from('SELECT 1'), LIMITS)).toHaveLength(1);
  }
});

test('nothing within the limit overflows it', () => {
  const max = LIMITS.statement_nesting_max - 1;
  for (const [open, middle, close] of [
    ['(', '1', ')'],
    ['(SELECT ', '1', ')'],
    ['CASE WHEN true THEN ', '1', ' END'],
    ['f(', '1', ')'],
    ['ARRAY[', '1', ']'],
    ['a[', '1', ']'],
    ['NOT ', 'true', ''],
    ['- ', '1', ''],
    ['', '1', '::int'],
    ['', '1', ' + 1'],
    ['', '1', ' IS NULL'],
    ['', '1', ' UNION SELECT 1'],
    ['', '1 FROM a', ' JOIN a ON true'],
    ['EXISTS (SELECT 1 WHERE ', 'true', ')'],
  ] as const) {
    const text = `SELECT ${open.repeat(max)}${middle}${close.repeat(max)}`;
    expect(parse(Buffer.from(text), LIMITS), open + close).toHaveLength(1);
  }
});

test('statements say where they stand, in bytes', () => {
  const text = Buffer.from("SELECT 'ä'; SELECT 2;");
  expect(parse(text, LIMITS).map(({ from, to }) => text.toString('utf8', from, to).trim())).toEqual([
    "SELECT 'ä'",
    'SELECT 2',
  ]);
});
