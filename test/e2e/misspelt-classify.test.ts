import { expect, test } from 'vitest';
import { startWorld } from './world.ts';

test('a classify line that names no column is warned of, by name, when the catalogue is read', async () => {
  const classify = [
    { column: 'public.customers.ssn', label: 'pii' },
    { column: 'public.customers.snn', label: 'pii' },
  ];
  const world = await startWorld({ target: { classify } });
  try {
    await world.gateway.psql('ann', 'crm', 'select 1');
    await expect.poll(() => world.gateway.said()).toContain('classify public.customers.snn: no column');
    expect(world.gateway.said()).not.toContain('classify public.customers.ssn');
  } finally {
    await world.stop();
  }
});
