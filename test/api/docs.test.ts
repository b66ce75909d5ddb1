import { describe, expect, test } from 'vitest';
import type { Access } from '../../src/api/route.ts';
import { routeTable } from '../../src/api/routes.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { expectGenerated } from '../config/generated.ts';

function who(access: Access): string {
  switch (access.kind) {
    case 'public':
      return 'anybody';
    case 'authenticated':
      return 'any principal, the operator';
    case 'local':
      return `anybody on this machine, else \`${access.action}\``;
    case 'control':
      return `\`${access.action}\`${access.operator ? ', the operator' : ', never the operator'}`;
  }
}

describe('docs/api.md', () => {
  test('lists every route and who may use it', () => {
    const rows = routeTable(LIMITS).map(
      ({ method, path, summary, access }) => `| \`${method} ${path}\` | ${summary} | ${who(access)} |\n`,
    );
    expectGenerated('api.md', 'routes', `| route | | who |\n|---|---|---|\n${rows.join('')}`);
  });

  test('lists every measure', async () => {
    const metrics = createMetrics('0');
    const text = await metrics.text();
    metrics.close();
    const rows = [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\w+)/gm)].map(
      ([, name, help, type]) => `| \`${name}\` | ${type} | ${help} |\n`,
    );
    expect(rows.length).toBeGreaterThanOrEqual(11);
    expectGenerated('api.md', 'metrics', `| name | type | |\n|---|---|---|\n${rows.join('')}`);
  });
});
