import { writeSync } from 'node:fs';
import { openLog } from '../../src/audit/open-log.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { envelope, options } from './fixtures.ts';

// A process of its own, to be killed: appends as fast as it can and tells every index on standard output, after the
// append has returned and, for each tenth, after it is durable.
const [root = '', run = ''] = process.argv.slice(2);
const limits = {
  ...LIMITS,
  reserve_bytes: 1024 * 1024,
  publish_interval_ms: 20,
  journal_bytes_max: 20_000,
  journal_age_ms: 50,
};
const log = await openLog(options(null, root, { limits, durability: 'writes', clock: { now: () => Date.now() } }));
log.append(envelope('gateway-start', { session: null, at: Date.now() }), {});
for (let number = 0; ; number += 1) {
  const text = number % 50 === 0 ? `${run}/${number}/`.padEnd(100_000, 'x') : `${run}/${number}/`;
  const entry = log.append(envelope('action', { session: `${run}-${number % 5}`, at: Date.now() }), { text });
  if (number % 10 === 0) await log.durable(entry, 'other');
  writeSync(1, `${entry} ${number}\n`);
  if (number % 3 === 0) await new Promise(setImmediate);
}
