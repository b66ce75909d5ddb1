import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { configJsonSchema, configJsonSchemaText } from '../../src/config/json-schema.ts';
import { LIMITS } from '../../src/core/limits.ts';

const PUBLISHED = join(import.meta.dirname, '../../schema/v1.json');

test('the published schema is the one that is used', () => {
  // After a change: UPDATE_SCHEMA=1 npx vitest run test/config/schema
  if (process.env.UPDATE_SCHEMA === '1') writeFileSync(PUBLISHED, configJsonSchemaText());
  expect(readFileSync(PUBLISHED, 'utf8')).toBe(configJsonSchemaText());
});

test('every limit stands in the schema', () => {
  const text = JSON.stringify(configJsonSchema());
  for (const name of Object.keys(LIMITS)) expect(text).toContain(`"${name}"`);
});

test('an editor is told of unknown keys at every level', () => {
  const open: string[] = [];
  const visit = (schema: unknown, path: string): void => {
    if (typeof schema !== 'object' || schema === null) return;
    if ('properties' in schema && !('additionalProperties' in schema && schema.additionalProperties === false))
      open.push(path);
    for (const [key, inner] of Object.entries(schema)) visit(inner, `${path}/${key}`);
  };
  visit(configJsonSchema(), '');
  // What this version refuses to read further: saml, targets of later protocols, policies from git.
  expect(open.filter((path) => !/oneOf|policies/.test(path))).toEqual([]);
});
