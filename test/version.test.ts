import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { VERSION } from '../src/version.ts';

test('the program says the version that is published', () => {
  expect(JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')).version).toBe(VERSION);
});
