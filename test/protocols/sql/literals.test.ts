import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { literalFree } from '../../../src/protocols/sql/literals.ts';
import { nestingEstimate } from '../../../src/protocols/sql/nesting.ts';

describe('taking literals out', () => {
  test.each([
    ["SELECT 'a', 1", "SELECT '', 0"],
    ["SELECT 'it''s'", "SELECT ''"],
    ["SELECT ''''", "SELECT ''"],
    ['SELECT 12.50', 'SELECT 0.0'],
    ['SELECT 12345678901', 'SELECT 0.0'],
    ['SELECT t1.x2 FROM t1 WHERE a=5', 'SELECT t1.x2 FROM t1 WHERE a=0'],
    ['SELECT "a 1", $1, 7', 'SELECT "a 1", $1, 0'],
  ])('%s becomes %s', (text, expected) => {
    expect(literalFree(text)?.text).toBe(expected);
  });
  test.each(['SELECT 1', 'x'])('%s keeps its words', (text) => {
    expect(literalFree(text)?.text ?? text).toContain(text.split(' ')[0]);
  });
  test.each([
    'SELECT x',
    "SELECT E'a'",
    "SELECT e'a'",
    "SELECT U&'a'",
    "SELECT B'1'",
    "SELECT 'a\\'",
    "SELECT 'open",
    'SELECT "open, 1',
    'SELECT $$a$$, 1',
    'SELECT $t$a$t$, 1',
    'SELECT 1 -- comment',
    'SELECT /* comment */ 1',
    'SELECT 1e5',
    'SELECT 0x1F',
    'SELECT 1_000',
    'SELECT .5',
    'SELECT 5.',
    'SELECT 1a',
    'SELECT 1..2',
    'SELECT $1a, 1',
    'SELECT 1\0',
  ])('%j is left to the parser', (text) => {
    expect(literalFree(text)).toBeNull();
  });
  test('matches only where every literal is free', () => {
    const found = literalFree("SELECT 'a', 1");
    expect(found?.match(new Set([7, 12]))).toBe(true);
    expect(found?.match(new Set([7]))).toBe(false);
    expect(found?.match(new Set())).toBe(false);
    expect(literalFree('SELECT - 1')?.match(new Set([7]))).toBe(true);
  });
  test('ends for any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary-ascii', maxLength: 300 }), (text) => void literalFree(text)));
  });
});

describe('estimating the depth', () => {
  test.each([
    ['SELECT 1', 0],
    ['SELECT (1)', 1],
    ['SELECT ((1)), (2)', 2],
    ['SELECT 1+1+1', 2],
    ['SELECT 1+1, 1+1', 1],
    ['SELECT 1 UNION SELECT 2, 3 UNION SELECT 4', 2],
    ['SELECT \'((((\', "((((", $$(((($$, $t$(($$(($t$', 0],
    ["SELECT E'\\'((((' , 1", 0],
    ["SELECT 'a\\', (((1)))", 3],
    ['SELECT 1 /* (((( /* (( */ (( */ -- ((((\n, 1', 0],
    ['SELECT (1); SELECT (2)', 1],
    [')))(', 1],
  ])('%j is %i deep', (text, depth) => {
    if (depth === 3) expect(nestingEstimate(text)).toBe(3);
    else expect(nestingEstimate(text)).toBe(depth);
  });
  test.each(["'open", '"open', '$$open', '/* open', '/* /* */', "E'open\\'"])('%j does not end', (text) => {
    expect(() => nestingEstimate(text)).toThrow('does not end');
  });
  test('takes time in proportion to the text', () => {
    const started = performance.now();
    for (const piece of ['(', '1+', '$a$ $b$ ', '/*', "' '", '"" ', '--\n', '[', 'case ']) {
      try {
        nestingEstimate(piece.repeat(1_000_000 / piece.length));
      } catch {
        // Not every one of them ends.
      }
    }
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
