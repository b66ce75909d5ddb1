// `npm run bench`: the gateway against pgbouncer, haproxy and PostgreSQL itself, in one run.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build, root, run, underPinnedNode } from './bootstrap.mjs';

underPinnedNode(process.argv[1], process.argv.slice(2));
const missing = ['/usr/sbin/pgbouncer', '/usr/sbin/haproxy', '/usr/lib/postgresql/15/bin/pgbench'].filter(
  (path) => !existsSync(path),
);
if (missing.length > 0) {
  console.error(`missing: ${missing.join(', ')}; run npm run bench:setup`);
  process.exit(1);
}
build();
run('node', [join(root, 'test/bench/main.ts'), ...process.argv.slice(2)]);
