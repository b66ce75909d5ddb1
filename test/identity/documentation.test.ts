import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { checkIdentity } from '../../src/identity/check.ts';
import { identityConfig } from '../../src/identity/config.ts';
import { Settings } from '../../src/identity/settings.ts';
import { settings } from './room.ts';

test('the configuration that the documentation shows is taken, without a warning', () => {
  const text = readFileSync(new URL('../../docs/identity.md', import.meta.url), 'utf8');
  const example = /```yaml\n([\s\S]*?)```/.exec(text)?.[1];
  const config = identityConfig.parse(parse(example ?? '').identity);
  expect(checkIdentity(config, 'https://gw.example.com')).toEqual([]);
  expect(new Settings(settings(config)).providers.map(({ session_ms }) => session_ms)).toEqual([
    8 * 3_600_000,
    3_600_000,
  ]);
});
