import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { policyOptions, policySources } from '../../src/compose/policies.ts';
import { loadConfig } from '../../src/config/load.ts';
import { loadPolicies } from '../../src/policy/loader.ts';
import { collectingIo, NO_ROOMS } from './io.ts';

const directory = mkdtempSync(join(tmpdir(), 'sp-init-'));
afterAll(() => rmSync(directory, { recursive: true }));

beforeAll(async () => {
  const { io } = collectingIo({}, directory);
  expect(await run(['init'], io, NO_ROOMS)).toBe(0);
});

describe('what init writes', () => {
  test('is a valid configuration as it stands, but for the secrets it asks for', () => {
    const loaded = loadConfig(join(directory, 'sallyport.yaml'), {}, undefined, { secrets: 'unchecked' });
    expect(loaded).toMatchObject({ outcome: 'loaded', warnings: [] });
    const without = loadConfig(join(directory, 'sallyport.yaml'), {});
    expect(without.outcome === 'invalid' && without.problems.map(({ message }) => message)).toEqual([
      'environment variable CRM_RW is not set',
      'environment variable CRM_RO is not set',
    ]);
  });

  test('has policies that load against it without a problem', async () => {
    const loaded = loadConfig(join(directory, 'sallyport.yaml'), {}, undefined, { secrets: 'unchecked' });
    if (loaded.outcome !== 'loaded') throw new Error('it is valid');
    const policies = await loadPolicies(policySources(loaded.config), policyOptions(loaded.config, Date.now()));
    expect(policies.outcome === 'refused' ? policies.problems : []).toEqual([]);
  });

  test('is not overwritten unless that is asked for', async () => {
    const path = join(directory, 'sallyport.yaml');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, 'mine');
    const { io, out } = collectingIo({}, directory);
    expect(await run(['init'], io, NO_ROOMS)).toBe(1);
    expect(out().stderr).toContain('--force');
    expect(readFileSync(path, 'utf8')).toBe('mine');
    expect(await run(['init', '--force'], io, NO_ROOMS)).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe(text);
  });
});
