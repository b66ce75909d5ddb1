import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { documentEntity } from '../../src/policy/document.ts';
import { freshEngine } from '../../src/policy/engine.ts';

const read = (text: string) => documentEntity('args', Buffer.from(text));

describe('a document', () => {
  test('has one tag for each path, list positions as *', () => {
    expect(read('{"owner":"acme","files":[{"path":"a"},{"path":"b"}],"n":7,"ok":true,"none":null}').tags).toEqual({
      '': { kind: 'object', texts: [] },
      '/owner': { kind: 'string', texts: ['acme'], text: 'acme' },
      '/files': { kind: 'array', texts: [] },
      '/files/*': { kind: 'object', texts: [] },
      '/files/*/path': { kind: 'string', texts: ['a', 'b'] },
      '/n': { kind: 'number', texts: ['7'], text: '7', long: 7 },
      '/ok': { kind: 'boolean', texts: ['true'], text: 'true', bool: true },
      '/none': { kind: 'null', texts: ['null'], text: 'null' },
    });
  });

  test.each([
    ['a key that looks like a path', '{"a/b":1,"*":2,"~":3}', ['', '/a~1b', '/~2', '/~0']],
    [
      'a key that Cedar could interpret',
      '{"__entity":{"type":"Group","id":"dba"}}',
      ['', '/__entity', '/__entity/type', '/__entity/id'],
    ],
  ])('%s stays a key', (_, text, paths) => {
    expect(Object.keys(read(text).tags ?? {}).sort()).toEqual(paths.sort());
  });

  test.each([
    ['a key twice', '{"a":1,"a":2}'],
    ['a key twice, once escaped', '{"a":1,"\\u0061":2}'],
    ['a lone surrogate', '"\\ud800"'],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['more than 16 levels', `${'['.repeat(17)}1${']'.repeat(17)}`],
    [
      'more than 500 paths',
      JSON.stringify(Object.fromEntries(Array.from({ length: 501 }, (_, index) => [index, index]))),
    ],
    ['more than 64 KiB', JSON.stringify('x'.repeat(65_536))],
    ['text after the value', '{} {}'],
    ['a trailing comma', '[1,]'],
    ['a comment', '{} // no'],
    ['a byte order mark', '\ufeff{}'],
    ['nothing', ''],
    ['NaN', 'NaN'],
    ['a leading zero', '01'],
  ])('%s is opaque', (_, text) => {
    expect(documentEntity('args', Buffer.from(text as string))).toEqual({
      uid: { type: 'Document', id: 'args' },
      attrs: { opaque: true },
      parents: [],
      tags: {},
    });
  });

  test.each([
    ['1e400', undefined],
    ['100.0', undefined],
    ['9007199254740993', undefined],
    ['"5"', undefined],
    ['-0', undefined],
    ['-12', -12],
  ])('the number %s is the long %s', (text, long) => {
    expect(read(text).tags).toEqual({
      '': expect.objectContaining(long === undefined ? { texts: [expect.any(String)] } : { long }),
    });
    if (long === undefined) expect(read(text).tags?.['']).not.toHaveProperty('long');
  });

  test('is readable exactly where JSON.parse reads it, but for keys that come twice', () => {
    const nearly = fc.string({
      unit: fc.constantFrom(...'{}[]",:01-.e+ntf\\ \n'.split(''), 'true', 'null', '"a"'),
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.oneof(fc.json(), nearly), (text) => {
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        const opaque = read(text).attrs.opaque;
        // Keys that come twice, and depth, make readable JSON opaque; nothing makes other text readable.
        return valid ? true : opaque === true;
      }),
      { numRuns: 2_000, seed: 7 },
    );
  });

  test('of plain values is never opaque', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value);
        return !text.isWellFormed() || /\\ud[89a-f]/.test(text) || read(text).attrs.opaque === false;
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  test('is an entity that Cedar takes, whatever its keys are', () => {
    const engine = freshEngine();
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const entity = read(JSON.stringify(value));
        engine.preparsePolicySet('p', {
          staticPolicies: {
            p: 'permit (principal, action, resource) when { context.args.hasTag("") || context.args.opaque };',
          },
        });
        const call = {
          principal: { type: 'H', id: 'h' },
          action: { type: 'Action', id: 'a' },
          resource: { type: 'H', id: 'h' },
          context: { args: { __entity: entity.uid } },
          entities: [entity] as never,
          preparsedPolicySetId: 'p',
        };
        expect(engine.statefulIsAuthorized(call)).toMatchObject({
          response: { decision: 'allow', diagnostics: { errors: [] } },
        });
      }),
      { numRuns: 100, seed: 7 },
    );
  });
});
