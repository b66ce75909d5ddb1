import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../src/core/json.ts';
import { placeholders, scalar, subjectFrom, unmetRequirement } from '../../src/identity/workload.ts';
import { ciClaims } from './room.ts';

// Claims of a test are JSON.
const claims = (changes: JsonObject = {}): JsonObject => ({ ...(ciClaims() as JsonObject), ...changes });
const REQUIRE = {
  repository_id: '4242',
  ref: 'refs/heads/main',
  event_name: ['push', 'workflow_dispatch'],
  environment: 'production',
};

describe('a workload that meets the requirements', () => {
  test('is let in', () => expect(unmetRequirement(claims(), REQUIRE)).toBeNull());
  test('may have any of the values listed', () => {
    expect(unmetRequirement(claims({ event_name: 'workflow_dispatch' }), REQUIRE)).toBeNull();
  });
  test('may say numbers and booleans as such', () => {
    expect(unmetRequirement({ id: 4242, protected: true }, { id: '4242', protected: 'true' })).toBeNull();
  });
});

describe('a workload is refused', () => {
  test.each<[string, JsonObject]>([
    ['of a fork, for a pull request', { event_name: 'pull_request', ref: 'refs/pull/7/merge', repository_id: '9999' }],
    ["for a stranger's pull request that runs on main", { event_name: 'pull_request_target' }],
    ['of another repository under the old name', { repository_id: '5151' }],
    ['of another branch', { ref: 'refs/heads/main2' }],
    ['of a tag called main', { ref: 'refs/tags/main' }],
    ['of another environment', { environment: 'staging' }],
    ['whose environment differs in case', { environment: 'Production' }],
    ['whose value is a list that holds the right one', { repository_id: ['4242'] }],
    ['whose value is null', { repository_id: null }],
    ['whose value has a space more', { repository_id: '4242 ' }],
  ])('%s', (_, changes) => expect(unmetRequirement(claims(changes), REQUIRE)).not.toBeNull());

  test('that lacks a claim, even one that every object inherits', () => {
    expect(unmetRequirement({}, REQUIRE)).not.toBeNull();
    expect(unmetRequirement({}, { constructor: 'Object', toString: 'x' })).not.toBeNull();
  });
});

describe('a subject', () => {
  test.each<[string, string, JsonObject, string | null]>([
    ['is made of immutable claims', 'ci:{repository_id}', { repository_id: '4242' }, 'ci:4242'],
    ['may hold several', 'ci:{repository_id}:{environment}', { repository_id: 1, environment: 'prod' }, 'ci:1:prod'],
    ['escapes its own punctuation in values', 'ci:{a}:{b}', { a: 'x:y', b: '50%' }, 'ci:x%3Ay:50%25'],
    ['leaves other punctuation as it is', 'ci:{ref}', { ref: 'refs/heads/main' }, 'ci:refs/heads/main'],
    ['is none without its claim', 'ci:{repository_id}', {}, null],
    ['is none of an empty claim', 'ci:{repository_id}', { repository_id: '' }, null],
    ['is none of a list', 'ci:{repository_id}', { repository_id: ['4242'] }, null],
    ['is none of what every object inherits', '{constructor}', {}, null],
    ['is none with a line break', 'ci:{a}', { a: 'x\ny' }, null],
    ['is none when too long', 'ci:{a}', { a: 'x'.repeat(256) }, null],
  ])('%s', (_, template, from, subject) => expect(subjectFrom(template, from)).toBe(subject));

  test('is never that of other claims', () => {
    const value = fc.string({
      minLength: 1,
      maxLength: 12,
      unit: fc.constantFrom('a', 'b', ':', '/', '%', '3', 'A', '-'),
    });
    fc.assert(
      fc.property(value, value, value, value, (a, b, c, d) => {
        const same = subjectFrom('ci:{a}/{b}', { a, b }) === subjectFrom('ci:{a}/{b}', { a: c, b: d });
        expect(same).toBe(a === c && b === d);
      }),
      { numRuns: 2_000 },
    );
  });

  test('names its claims', () => expect(placeholders('ci:{a}:{b.c}')).toEqual(['a', 'b.c']));
});

test('only a text, a boolean and an exact integer have one value', () => {
  expect([scalar('x'), scalar(7), scalar(false)]).toEqual(['x', '7', 'false']);
  expect([scalar(2 ** 53), scalar(0.5), scalar(null), scalar({}), scalar([]), scalar(undefined)]).toEqual(
    Array(6).fill(null),
  );
});
