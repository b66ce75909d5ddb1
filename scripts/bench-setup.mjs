// `npm run bench:setup`: installs the peers the gateway is measured against.
import { run, underPinnedNode } from './bootstrap.mjs';

underPinnedNode(process.argv[1], process.argv.slice(2));
const packages = ['postgresql', 'postgresql-contrib', 'pgbouncer', 'haproxy'];
if (process.getuid?.() !== 0) {
  console.error(`run as root, or: sudo apt-get install -y --no-install-recommends ${packages.join(' ')}`);
  process.exit(1);
}
const quiet = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
run('apt-get', ['update', '-qq'], quiet);
run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], quiet);
