import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { sensitivity } from '../../src/core/sensitivity.ts';
import { createLog } from '../../src/observe/log.ts';
import { escapeControls, redact } from '../../src/observe/redaction.ts';

function logged(write: (log: ReturnType<typeof createLog>) => void): {
  lines: string[];
  fields: Record<string, unknown>;
} {
  const lines: string[] = [];
  write(createLog({ level: 'debug', to: { write: (line: string) => void lines.push(line) } }));
  return { lines, fields: JSON.parse(lines[0] ?? '{}') };
}

describe('the log', () => {
  test('shows no field that nobody declared public, at any depth', () => {
    const { lines } = logged((log) =>
      log.info(
        { session: 's1', password: 'hunter2', error: { code: 'X', token: 'hunter2', path: { secret: 'hunter2' } } },
        'x',
      ),
    );
    expect(lines.join('')).not.toContain('hunter2');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      session: 's1',
      password: '[redacted]',
      error: { code: 'X', token: '[redacted]' },
    });
  });

  test.each([
    'password',
    'token',
    'secret',
    'authorization',
    'text',
    'statement',
    'parameters',
    'value',
    'sql',
    'data',
    'cookie',
    'key',
    'justification',
  ])('takes %s for secret', (field) => {
    expect(sensitivity(field)).toBe('secret');
  });

  test('redacts the fields of a child log as well', () => {
    const { fields } = logged((log) => log.child({ session: 's1', token: 'hunter2' }).info({}, 'x'));
    expect(fields).toMatchObject({ session: 's1', token: '[redacted]' });
  });

  test('G8: writes one line for one event, whatever a client put into it', () => {
    const { lines, fields } = logged((log) =>
      log.warn({ client: 'a\nb\u001b[2Jc\u2028d\u202ee' }, 'said\n{"level":"fatal"}'),
    );
    expect(lines).toHaveLength(1);
    expect((lines[0] ?? '').trimEnd()).not.toMatch(/[\n\u001b\u2028\u202e]/);
    expect(fields.client).toBe('a\\nb\\x1b[2Jc\\u{2028}d\\u{202e}e');
    expect(fields.level).toBe('warn');
  });

  test('shows an expected failure by code and message, a bug by its stack', () => {
    const { fields } = logged((log) =>
      log.error({ err: new GatewayError('TARGET_TLS', 'no', { host: 'db', password: 'hunter2' }) }, 'x'),
    );
    expect(fields.err).toEqual({
      type: 'GatewayError',
      code: 'TARGET_TLS',
      message: 'no',
      host: 'db',
      password: '[redacted]',
    });
    const bug = logged((log) => log.error({ err: new TypeError('no') }, 'x')).fields.err;
    expect(bug).toMatchObject({ type: 'TypeError', message: 'no', stack: expect.any(Array) });
  });

  test('never holds bytes', () => {
    expect(redact({ message: Buffer.from('hunter2') })).toEqual({ message: '[redacted]' });
  });
});

describe('redaction', () => {
  /** Any code points, half surrogates and unassigned ones included; often those that terminals heed. */
  const point = fc.oneof(
    fc.integer({ min: 0, max: 0x10ffff }),
    fc.integer({ min: 0, max: 0x9f }),
    fc.integer({ min: 0x2000, max: 0x206f }),
  );
  const anyText = fc.array(point, { maxLength: 40 }).map((points) => String.fromCodePoint(...points));
  const secret = 'hunter2-canary';
  const publicKey = fc.constantFrom('session', 'code', 'path', 'err');
  const secretKey = fc.string({ minLength: 1 }).filter((key) => sensitivity(key) === 'secret' && key !== '__proto__');

  test('keeps every value under a name it does not know, in any nesting', () => {
    fc.assert(
      fc.property(fc.array(publicKey, { maxLength: 4 }), secretKey, (above, key) => {
        let value: unknown = { [key]: secret };
        for (const name of above) value = { [name]: value };
        expect(JSON.stringify(redact(value))).not.toContain(secret);
      }),
    );
  });

  test('ends on values that hold themselves', () => {
    const loop: Record<string, unknown> = { code: 'x' };
    loop.err = loop;
    expect(JSON.stringify(redact(loop))).toContain('[redacted]');
  });

  test('G8: escapes so that nothing printed can move the cursor or start a line', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(escapeControls(text)).not.toMatch(
          /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/,
        );
      }),
    );
  });

  test('leaves ordinary text of any language as it is', () => {
    for (const text of ['select 1', 'Grüße, 世界 🙂', "it's \\ fine"]) expect(escapeControls(text)).toBe(text);
  });
});
