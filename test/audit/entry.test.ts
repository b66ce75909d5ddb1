import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { Attachments } from '../../src/audit/attachments.ts';
import { EntryComposer } from '../../src/audit/composer.ts';
import { ENTRY_TAIL, entryHead, parseEntry, quote, sealedText } from '../../src/audit/entry.ts';
import { FrameWriter, scanFrame } from '../../src/audit/frame.ts';
import { SealedStore } from '../../src/audit/sealed.ts';
import type { Envelope, Sealed } from '../../src/audit/stage.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { envelope, START_AT } from './fixtures.ts';
import { MemoryFiles } from './memory-files.ts';

// Many runs of one property: a machine with other work to do needs its time.
vi.setConfig({ testTimeout: 60_000 });

const PLACE = { seq: 7, at: START_AT, clock: null };
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('"', '\\', '\n', '\u2028', '\ud800', '\0', '"},"kind":"x'),
);
const envelopes: fc.Arbitrary<Envelope> = fc.record({
  kind: fc.constantFrom('action', 'result', 'admin'),
  at: fc.nat(),
  session: fc.option(text),
  run: fc.option(text),
  principal: fc.option(text),
  target: fc.option(text),
  verb: fc.option(text),
  resources: fc.array(text),
  verdict: fc.option(fc.constantFrom('forward', 'refuse', 'ask', 'observed')),
  rules: fc.array(text),
  sizes: fc.dictionary(text, fc.nat()),
  of: fc.option(fc.nat()),
  facts: fc.dictionary(text, fc.oneof(text, fc.nat(), fc.boolean(), fc.constant(null))),
});

describe('an entry', () => {
  test('is one line of JSON with its keys in a fixed order', () => {
    const line = entryHead(
      envelope('action', { resources: ['crm/public.t'], sizes: { rows: 3 }, facts: { tag: 'SELECT 3' } }),
      PLACE,
      null,
    );
    expect(`${line}${'0'.repeat(64)}${ENTRY_TAIL}`).toBe(
      `{"v":1,"seq":7,"at":${START_AT},"kind":"action","session":"s1","run":null,"principal":"corp/ann","target":"crm",` +
        '"verb":"read","resources":["crm/public.t"],"verdict":"forward","rules":["readers"],"sizes":{"rows":3},"of":null,' +
        `"facts":{"tag":"SELECT 3"},"commitment":"${'0'.repeat(64)}"}`,
    );
  });

  test('says what the envelope says, whatever is in it', () => {
    fc.assert(
      fc.property(envelopes, (given) => {
        const { entry } = composed(given, {});
        // What is not well-formed Unicode cannot be said in UTF-8; JSON escapes it.
        expect(entry).toEqual({
          ...JSON.parse(JSON.stringify(given)),
          ...PLACE,
          v: 1,
          cut: {},
          commitment: entry.commitment,
        });
      }),
    );
  });

  test('says so when the clock had gone back', () => {
    const line = entryHead(envelope('action'), { seq: 1, at: 20, clock: 10 }, null);
    expect(parseEntry(Buffer.from(`${line}${'0'.repeat(64)}${ENTRY_TAIL}`))).toMatchObject({ at: 20, clock: 10 });
  });

  test('differs from that of any envelope that differs in a field', () => {
    fc.assert(
      fc.property(envelopes, envelopes, fc.constantFrom(...FIELDS), (one, other, field) => {
        const changed = { ...one, [field]: other[field] };
        fc.pre(JSON.stringify(changed) !== JSON.stringify(one));
        expect(entryHead(changed, PLACE, null)).not.toBe(entryHead(one, PLACE, null));
      }),
    );
  });

  test('commits to its sealed fields with 32 random bytes, so that equal fields give other entries', () => {
    const writer = new FrameWriter();
    const first = composed(envelope('action'), { text: 'select 1' }, writer);
    const second = composed(envelope('action'), { text: 'select 1' }, writer);
    expect(first.entry.commitment).toBe(createHash('sha256').update(first.stored).digest('hex'));
    expect(first.stored.subarray(32).toString()).toBe('{"text":"select 1"}');
    expect(first.entry.commitment).not.toBe(second.entry.commitment);
    expect(first.stored.subarray(0, 32)).not.toEqual(second.stored.subarray(0, 32));
  });

  test('without sealed fields commits all the same, so that no leaf can be guessed', () => {
    const { entry, stored } = composed(envelope('result'), {});
    expect(stored.length).toBe(34);
    expect(entry.commitment).toBe(createHash('sha256').update(stored).digest('hex'));
  });

  test.each([
    ['nothing', ''],
    ['no object', '[]'],
    ['another version', JSON.stringify({ ...parseable(), v: 2 })],
    ['a field missing', JSON.stringify({ ...parseable(), rules: undefined })],
    ['a field of another type', JSON.stringify({ ...parseable(), resources: 'crm' })],
    ['a fraction for its place', JSON.stringify({ ...parseable(), seq: 1.5 })],
    ['a short commitment', JSON.stringify({ ...parseable(), commitment: 'abc' })],
    ['half a character', `${JSON.stringify(parseable()).slice(0, -1)},"x":"\xff"}`],
    ['a byte order mark', `\xef\xbb\xbf${JSON.stringify(parseable())}`],
  ])('is not read from %s', (_, given) => {
    expect(() => parseEntry(Buffer.from(given, 'latin1'))).toThrow(expect.objectContaining({ code: 'RECORD_BROKEN' }));
  });
});

describe('an envelope that is too long', () => {
  test('is cut to 60 KiB, says what was cut, and is sealed whole', () => {
    const resources = Array.from({ length: 5_000 }, (_, number) => `crm/public.table_with_a_long_name_${number}`);
    const { entry, files, sealed } = composed(envelope('action', { resources }), { text: 'select' });
    expect(entry.resources).toEqual(resources.slice(0, entry.resources.length));
    expect(entry.resources.length).toBeGreaterThan(0);
    expect(entry.cut).toEqual({ resources: 5_000 });
    expect(sealed).toMatchObject({
      text: 'select',
      blobs: { cut: { bytes: Buffer.byteLength(JSON.stringify({ resources })) } },
    });
    expect([...files.files()].some(({ file }) => file.now.includes(JSON.stringify({ resources })))).toBe(true);
  });

  test('by an id is a mistake of our own', () => {
    expect(() => composed(envelope('action', { session: 'x'.repeat(70_000) }), {})).toThrow(/id of more/);
  });

  test('never makes an entry of more than 60 KiB, whatever it is made of', () => {
    const long = fc
      .tuple(fc.constantFrom('\0', 'x', '"', '\u2028', '😀', '\ud800'), fc.constantFrom(10, 3_000, 30_000))
      .map(([unit, times]) => unit.repeat(times));
    const lists = fc
      .tuple(long, fc.constantFrom(1, 20, 150))
      .map(([item, times]) => Array.from({ length: times }, () => item.slice(0, 1_500)));
    const records = fc
      .array(
        fc.tuple(
          long.map((key) => key.slice(0, 2_000)),
          long.map((value) => value.slice(0, 2_000)),
        ),
      )
      .map((pairs) => Object.fromEntries(pairs));
    fc.assert(
      fc.property(long, long, lists, lists, records, (target, principal, resources, rules, facts) => {
        const given = envelope('action', { target, principal, resources, rules, facts });
        const { entry, bytes } = composed(given, {});
        expect(bytes.length).toBeLessThanOrEqual(LIMITS.entry_bytes_max);
        if (Buffer.byteLength(JSON.stringify(given)) > LIMITS.entry_bytes_max)
          expect(Object.keys(entry.cut)).not.toEqual([]);
      }),
      { numRuns: 25 },
    );
  });
});

describe('sealed fields', () => {
  test('that are long lie in a blob whose name is the digest of salted bytes', () => {
    const long = 'x'.repeat(100_000);
    const { sealed, files } = composed(envelope('action'), { text: long, parameters: ['1'] });
    const stored = [...files.files()].find(({ path }) => path.includes('.blobs/'));
    const digest = stored?.path.split('/').at(-1);
    expect(sealed).toEqual({ parameters: ['1'], blobs: { text: { digest, bytes: 100_002 } } });
    expect(
      createHash('sha256')
        .update(stored?.file.now ?? '')
        .digest('hex'),
    ).toBe(digest);
    expect(stored?.file.now.subarray(32).toString()).toBe(JSON.stringify(long));
  });

  test.each(['blobs', 'cut'])('cannot be named %s, which is a name of the log itself', (name) => {
    expect(() => composed(envelope('action'), { [name]: 'x' })).toThrow(/not a name/);
    expect(() => composed(envelope('action'), { [name]: 'x'.repeat(100_000) })).toThrow(/not a name/);
  });

  test('are JSON that says the same', () => {
    const names = text.filter((name) => name !== 'blobs' && name !== 'cut' && name !== '__proto__');
    fc.assert(
      fc.property(fc.dictionary(names, fc.oneof(text, fc.jsonValue())), (given) => {
        // What came from JSON is JSON.
        expect(JSON.parse(sealedText(given as Sealed))).toEqual(JSON.parse(JSON.stringify(given)));
      }),
    );
  });
});

test('a quoted text is what JSON makes of it', () => {
  fc.assert(
    fc.property(text, (given) => {
      expect(quote(given)).toBe(JSON.stringify(given));
    }),
  );
});

const FIELDS = [
  'session',
  'run',
  'principal',
  'target',
  'verb',
  'resources',
  'verdict',
  'rules',
  'sizes',
  'of',
  'facts',
  'kind',
] as const;

function parseable(): Record<string, unknown> {
  return { ...JSON.parse(`${entryHead(envelope('action'), PLACE, null)}${'0'.repeat(64)}${ENTRY_TAIL}`) };
}

function composed(given: Envelope, sealed: Sealed, writer = new FrameWriter()) {
  const files = new MemoryFiles();
  const composer = new EntryComposer(writer, new SealedStore(files, '/audit', null), new Attachments(files), LIMITS);
  const { slab, offset, length } = composer.compose(given, sealed, PLACE, false);
  const scan = scanFrame(slab.subarray(offset, offset + length), 0);
  if (scan.kind !== 'frame') throw new Error(`the frame is ${scan.kind}`);
  const bytes = scan.frame.leaf.subarray(1);
  const { stored } = scan.frame;
  expect(scan.frame.leaf[0]).toBe(0);
  return {
    bytes,
    entry: parseEntry(bytes),
    stored,
    files,
    sealed: JSON.parse(stored.subarray(32).toString()) as unknown,
  };
}
