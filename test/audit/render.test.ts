import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { escapeLine } from '../../src/audit/escape.ts';
import type { StoredEntry } from '../../src/audit/reader.ts';
import { replay, type TimelineLine } from '../../src/audit/replay.ts';
import { Timing, tailLine } from '../../src/audit/tail.ts';
import { envelope, filled, START_AT } from './fixtures.ts';
import { MemoryFiles } from './memory-files.ts';

// Many runs of one property: a machine with other work to do needs its time.
vi.setConfig({ testTimeout: 60_000 });

describe('a line for a terminal', () => {
  test.each([
    ['plain text', 'select 1', 'select 1'],
    ['letters of any language', 'größe 東京 עברית', 'größe 東京 עברית'],
    ['line ends and tabs', 'a\nb\tc\r', 'a\\nb\\tc\\r'],
    ['an escape sequence', '\x1b[31m', '\\x1b[31m'],
    ['OSC 52', '\x1b]52;c;eA==\x07', '\\x1b]52;c;eA==\\x07'],
    ['a C1 control', '\x9b2J', '\\x9b2J'],
    ['a reading direction', '\u202eabc', '\\u{202e}abc'],
    ['a zero-width space', 'a\u200bb', 'a\\u{200b}b'],
    ['a tag character', '\u{e0041}', '\\u{e0041}'],
    ['half a pair', '\ud800', '\\u{d800}'],
    ['a backslash, doubled so that no escape can be forged', '\\x1b', '\\\\x1b'],
    ['a no-break space', 'a\u00a0b', 'a\\xa0b'],
    ['a filler that shows nothing', '\u3164', '\\u{3164}'],
  ])('shows %s', (_, given, shown) => {
    expect(escapeLine(given)).toBe(shown);
  });

  test('holds nothing that a terminal obeys, and no two texts look the same', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(text, text, (one, other) => {
        expect(escapeLine(one)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        if (one !== other) expect(escapeLine(one)).not.toBe(escapeLine(other));
      }),
    );
  }, 30_000);

  test('is cut at a number of characters, never through one', () => {
    expect(escapeLine('😀😀😀', 2)).toBe('😀😀…');
    expect(escapeLine('😀😀', 2)).toBe('😀😀');
  });
});

describe('the tail', () => {
  test('prints who, where, what, the verdict with its rule, how much, how long, and the text', async () => {
    const [action, result] = await entries();
    if (action === undefined || result === undefined) throw new Error('there are no entries');
    const timing = new Timing();
    expect(timing.took_ms(action.entry)).toBeNull();
    const took_ms = timing.took_ms(result.entry);
    expect(tailLine(action.entry, action.sealed)).toBe(
      `${new Date(START_AT).toISOString()}  corp/ann  crm  read  forward readers  -  select *\\nfrom t where name = $1`,
    );
    expect(tailLine(result.entry, result.sealed, took_ms)).toBe(
      `${new Date(START_AT + 12).toISOString()}  corp/ann  crm  result  -  3 rows 1 masked 12 ms`,
    );
  });

  test('prints the first 120 characters of a text', async () => {
    const [action] = await entries();
    if (action === undefined) throw new Error('there are no entries');
    expect(tailLine(action.entry, { text: 'x'.repeat(500) })).toMatch(/ {2}x{120}…$/);
    expect(tailLine(action.entry, null)).toMatch(/ {2}-$/);
  });
});

describe('a replay', () => {
  test('tells text, parameters, reason and result, in the time it took', async () => {
    const lines = await told(await entries(), 1);
    expect(lines.map(({ line }) => line.trim())).toEqual([
      expect.stringMatching(/ read {2}forward by readers {2}parameters 1$/),
      'select *',
      'from t where name = $1',
      "$1 = 'ann'",
      'because: INC-1',
      expect.stringMatching(/ result {2}rows 3 {2}masked 1 {2}12 ms {2}tag SELECT 3$/),
      'postgres: 4 bytes',
    ]);
    expect(lines.map(({ after_ms }) => after_ms)).toEqual([0, 0, 0, 0, 0, 12, 0]);
  });

  test('at another speed waits accordingly, and never longer than a limit', async () => {
    const found = await entries();
    expect((await told(found, 2)).map(({ after_ms }) => after_ms).at(5)).toBe(6);
    expect((await told(found, 0)).every(({ after_ms }) => after_ms === 0)).toBe(true);
    expect((await told(found, 0.001, 100)).map(({ after_ms }) => after_ms).at(5)).toBe(100);
  });

  test.each([
    ['absent', 'erased'],
    ['locked', 'sealed'],
    ['broken', 'altered'],
  ] as const)('says that what is %s is %s', async (commitment, word) => {
    const found = (await entries()).map((stored) => ({ ...stored, sealed: null, commitment }));
    expect((await told(found, 0))[1]?.line).toContain(word);
  });
});

async function entries(): Promise<StoredEntry[]> {
  const log = await filled(new MemoryFiles(), 0);
  const sealed = {
    text: 'select *\nfrom t where name = $1',
    parameters: [{ type: '25', value: 'ann' }],
    justification: 'INC-1',
  };
  const of = log.append(envelope('action', { sizes: { parameters: 1 }, facts: { protocol: 'postgres' } }), sealed);
  const sample = Buffer.from('rows').toString('base64');
  log.append(envelope('result', { of, at: START_AT + 12, sizes: { rows: 3, masked: 1 }, facts: { tag: 'SELECT 3' } }), {
    sample,
  });
  const found: StoredEntry[] = [];
  for await (const stored of log.reader.range(1, 3)) found.push(stored);
  await log.close();
  return found;
}

async function told(found: readonly StoredEntry[], speed: number, pause_ms_max = 5_000): Promise<TimelineLine[]> {
  const decode = (protocol: string, sample: Uint8Array) => [`${protocol}: ${sample.length} bytes`];
  const lines: TimelineLine[] = [];
  async function* each() {
    yield* found;
  }
  for await (const line of replay(each(), { decode, speed, pause_ms_max })) lines.push(line);
  return lines;
}
