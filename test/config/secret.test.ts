import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSecret, type SecretRef, secretRef } from '../../src/config/secret.ts';

const VALUE = 'hunter2-very-secret';
const source = { environment: () => VALUE, file: () => `${VALUE}\n` };
const absolute = (path: string) => `/etc/${path}`;

describe('a secret reference', () => {
  test.each([
    ['a template', (ref: SecretRef) => `${ref}`],
    ['concatenation', (ref: SecretRef) => `password=${String(ref)}`],
    ['JSON', (ref: SecretRef) => JSON.stringify({ password: ref })],
    ['inspect', (ref: SecretRef) => inspect({ password: ref }, { depth: 9, showHidden: true })],
    ['an error', (ref: SecretRef) => new Error(`wrong ${ref}`).message],
    ['its own keys', (ref: SecretRef) => JSON.stringify(Object.entries(ref))],
    ['a structured clone', (ref: SecretRef) => inspect(structuredCloneOrNull(ref), { showHidden: true })],
  ])('shows no value by %s', (_, show) => {
    for (const text of ['${env:X}', '${file:x}', VALUE]) {
      const ref = secretRef(parseSecret(text), source, absolute);
      expect(show(ref)).not.toContain('hunter2');
      expect(ref.reveal()).toBe(VALUE);
    }
  });

  test('is looked up each time it is used, so a rotated one is picked up', () => {
    let value = 'old';
    const ref = secretRef(parseSecret('${env:X}'), { ...source, environment: () => value }, absolute);
    expect(ref.reveal()).toBe('old');
    value = 'new';
    expect(ref.reveal()).toBe('new');
  });

  test('to nothing is an expected failure that names the reference', () => {
    const empty = { environment: () => undefined, file: () => '' };
    expect(() => secretRef(parseSecret('${env:X}'), empty, absolute).reveal()).toThrow(
      expect.objectContaining({ code: 'SECRET_UNAVAILABLE' }),
    );
    expect(() => secretRef(parseSecret('${file:x}'), empty, absolute).reveal()).toThrow(
      expect.objectContaining({ code: 'SECRET_UNAVAILABLE' }),
    );
  });

  test('takes one line break off the end of a file, and nothing else', () => {
    const of = (text: string) =>
      secretRef(parseSecret('${file:x}'), { ...source, file: () => text }, absolute).reveal();
    expect(of('a\n')).toBe('a');
    expect(of('a\r\n')).toBe('a');
    expect(of(' a \n\n')).toBe(' a \n');
  });

  test.each([
    ['${env:X}', 'env'],
    ['${file:./a b}', 'file'],
    ['plain', 'literal'],
    ['$plain', 'literal'],
    ['', 'literal'],
    ['a${env:X}', 'malformed'],
    ['${env:X}b', 'malformed'],
    ['${env:X}${env:Y}', 'malformed'],
    ['${env:1X}', 'malformed'],
    ['${env:}', 'malformed'],
    ['${ENV:X}', 'malformed'],
    ['${vault:kv/x}', 'malformed'],
  ])('%j is read as %s', (text, kind) => {
    expect(parseSecret(text).kind).toBe(kind);
  });

  test('never takes a text that has a reference in it for a literal', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        expect(parseSecret(`${before}\${env:X}${after}`).kind).not.toBe('literal');
      }),
    );
  });
});

function structuredCloneOrNull(value: SecretRef): unknown {
  try {
    return structuredClone(value);
  } catch {
    return null;
  }
}
