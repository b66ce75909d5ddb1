import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeFailure } from '../../src/cli/failure.ts';
import { eventLine, requestText } from '../../src/cli/lines.ts';
import { facts, jsonText, moment, span, table } from '../../src/cli/print.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { EVENTS, REQUEST } from '../api/fake-rooms.ts';

/** Whatever a terminal would act on: C0 but line feed, DEL, C1, bidirectional and invisible characters. */
const HEEDED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;
const point = fc.oneof(
  fc.integer({ min: 0, max: 0x10ffff }),
  fc.integer({ min: 0, max: 0x9f }),
  fc.integer({ min: 0x2000, max: 0x206f }),
);
const hostile = fc.array(point, { maxLength: 40 }).map((points) => String.fromCodePoint(...points));

describe('G8: what is printed', () => {
  test('moves no cursor and starts no line, whatever the data says', () => {
    const event = EVENTS[0];
    if (event === undefined) throw new Error('there are events');
    fc.assert(
      fc.property(hostile, (text) => {
        for (const printed of [
          table(['A', 'B'], [[text, text]]),
          facts([['name', text]]),
          eventLine({ ...event, text, principal: text, message: text, code: text, rules: [text], kind: text }),
          describeFailure(new GatewayError('INTERNAL', text), false).text,
          jsonText({ [text]: text }),
        ]) {
          expect(printed).not.toMatch(HEEDED);
        }
        expect(table(['A'], [[text]]).split('\n')).toHaveLength(3);
        expect(eventLine({ ...event, text }).split('\n')).toHaveLength(2);
      }),
    );
  });

  test('of a request moves no cursor, and keeps the lines of a statement', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const shown = requestText(
          {
            ...REQUEST,
            statements: [{ text, times: 1, parameters: [[text]] }],
            justification: text,
            message: text,
          } as never,
          0,
        );
        expect(shown).not.toMatch(HEEDED);
      }),
    );
  });

  test('as JSON is the same value', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(JSON.parse(jsonText(JSON.parse(text)))).toEqual(JSON.parse(text));
      }),
    );
  });
});

describe('a table', () => {
  test('stands in columns, wide characters included', () => {
    const rows = table(
      ['NAME', 'X'],
      [
        ['世界', 1],
        ['ab', 2],
        [null, 3],
      ],
    );
    expect(rows).toBe('NAME  X\n世界  1\nab    2\n-     3\n');
  });
});

describe('a span', () => {
  test.each([
    [0, '0s'],
    [999, '1s'],
    [61_000, '1m 1s'],
    [3_600_000, '1h'],
    [90_061_000, '1d 1h'],
    [-5, '0s'],
  ])('of %d ms is %s', (duration_ms, text) => {
    expect(span(duration_ms)).toBe(text);
  });

  test('has moments at its ends', () => {
    expect(moment(Date.UTC(2026, 0, 2, 3, 4, 5))).toBe('2026-01-02 03:04:05Z');
    expect(moment(null)).toBe('-');
  });
});

describe('a failure', () => {
  test('is one line and a hint, and its stack only for who asks', () => {
    expect(describeFailure(new GatewayError('TARGET_TLS', 'no certificate'), false)).toEqual({
      text: 'sallyport: TARGET_TLS: no certificate\n',
      exitCode: 1,
    });
    const bug = new TypeError('x is not a function');
    expect(describeFailure(bug, false).text).not.toContain('at ');
    expect(describeFailure(bug, true).text).toContain('print.test');
  });
});

test('a fact that is a moment is shown as one in the line of an event', () => {
  const [event] = EVENTS;
  if (event === undefined) throw new Error('there are events');
  const facts = { state: 'pending', expires_at: Date.UTC(2026, 10, 21, 1, 54, 23), asked: 2 };
  expect(eventLine({ ...event, kind: 'request', facts })).toContain(
    'request state=pending expires_at=2026-11-21T01:54:23Z asked=2',
  );
});
