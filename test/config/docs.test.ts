import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ConfigFiles } from '../../src/config/files.ts';
import { configJsonSchema } from '../../src/config/json-schema.ts';
import { loadConfig } from '../../src/config/load.ts';
import { describeProblem } from '../../src/config/problem.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { expectGenerated, page } from './generated.ts';

describe('docs/configuration.md', () => {
  test('lists every limit with its default and what it bounds', () => {
    const source = readFileSync(join(import.meta.dirname, '../../src/core/limits.ts'), 'utf8');
    const rows = Object.entries(LIMITS).map(([name, value]) => {
      const comment = new RegExp(`/\\*\\* ([^*]*?) ?\\*/\\n  readonly ${name}: number`).exec(source)?.[1] ?? '';
      return `| \`${name}\` | ${value} | ${comment} |\n`;
    });
    expectGenerated('configuration.md', 'limits', `| limit | default | |\n|---|---|---|\n${rows.join('')}`);
  });

  test('names every key of the gateway, of listeners, targets and identity', () => {
    const text = page('configuration.md') + page('identity.md');
    const keys = new Set<string>();
    const visit = (schema: unknown): void => {
      if (typeof schema !== 'object' || schema === null) return;
      if ('properties' in schema && typeof schema.properties === 'object' && schema.properties !== null) {
        for (const key of Object.keys(schema.properties)) keys.add(key);
      }
      for (const inner of Object.values(schema)) visit(inner);
    };
    visit(configJsonSchema());
    expect(keys.size).toBeGreaterThan(60);
    // What stands there for later versions only.
    const later = new Set(['git', 'metadata', 'groups_attribute']);
    expect([...keys].filter((key) => !later.has(key) && !new RegExp(`\\b${key}\\b`).test(text))).toEqual([]);
  });

  test('shows configurations that are valid as they stand', () => {
    const blocks = [...page('configuration.md').matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block]) => block ?? '');
    expect(blocks.length).toBeGreaterThanOrEqual(3);
    for (const block of blocks) {
      const files: ConfigFiles = {
        read: () => block,
        list: () => [{ name: 'a.cedar', directory: false }],
        exists: () => true,
      };
      const loaded = loadConfig('/etc/sallyport/sallyport.yaml', {}, files, {
        secrets: 'unchecked',
        now: Date.UTC(2026, 10, 20),
      });
      expect(loaded.outcome === 'invalid' ? loaded.problems.map(describeProblem) : []).toEqual([]);
    }
  });
});
