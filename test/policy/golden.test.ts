import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { load } from '../../src/policy/load.ts';
import { problemText } from '../../src/policy/rule.ts';
import * as world from './world.ts';

/**
 * Each file of `load/` is a policy text, a line of dashes, and what the loader says of it: nothing, or one problem a line.
 * An expected line stands for a problem that contains it.
 */
const FOLDER = new URL('./load/', import.meta.url);
const KNOWN = {
  groups: ['dba', 'fraud', 'robots', 'okta/oncall'],
  agentGroups: ['robots'],
  labels: ['env/prod', 'pii'],
  targets: [
    { name: 'crm', protocol: 'postgres' as const },
    { name: 'web1', protocol: 'ssh' as const },
  ],
  channels: ['ops'],
};

describe('the loader', () => {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.txt'));
  test('has examples to be judged by', () => expect(files.length).toBeGreaterThanOrEqual(25));

  test.each(files)('says of %s what stands below it', (file) => {
    const [text = '', wanted = ''] = readFileSync(new URL(file, FOLDER), 'utf8').split(/^-{10,}\n/m);
    const loaded = load([{ file, text }], world.loadOptions(KNOWN));
    const problems = loaded.outcome === 'refused' ? loaded.problems.map(problemText) : [];
    const expected = wanted.split('\n').filter((line) => line !== '');
    expect(problems).toEqual(expected.map((line) => expect.stringContaining(line)));
  });
});
