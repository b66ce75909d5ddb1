// `npm test`: sets up what the tests need, then runs all of them; nothing is skipped in silence.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, root, run, underPinnedNode } from './bootstrap.mjs';

underPinnedNode(process.argv[1], process.argv.slice(2));
installServers();

let failed = 0;
let passed = 0;
for (const [name, command, args] of [
  ['types', 'tsc', ['-p', 'tsconfig.json']],
  ['lint', 'biome', ['check']],
]) {
  const ok = spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status === 0;
  console.log(`${name}: ${ok ? 'ok' : 'failed'}`);
  if (ok) passed += 1;
  else failed += 1;
}
build();

for (const project of ['unit', 'e2e']) {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-report-'));
  const report = join(directory, 'report.json');
  const { status } = spawnSync(
    'vitest',
    ['run', '--project', project, '--reporter=default', '--reporter=json', `--outputFile=${report}`],
    { cwd: root, stdio: 'inherit' },
  );
  const counts = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : null;
  rmSync(directory, { recursive: true, force: true });
  passed += counts?.numPassedTests ?? 0;
  failed += counts?.numFailedTests ?? 0;
  // A file that does not even load has no tests to count, and a run without a report is a failure of its own.
  if (status !== 0 && (counts === null || counts.numFailedTests === 0)) failed += 1;
}

// A minute of coverage-guided fuzzing, each target its share; longer: npm run fuzz.
const fuzzed = spawnSync('node', [join(root, 'scripts', 'fuzz.mjs'), '--seconds', '12'], {
  cwd: root,
  stdio: 'inherit',
});
if (fuzzed.status === 0) passed += 1;
else failed += 1;

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

/** Servers and clients the tests talk to. As root on Debian they are installed; elsewhere we say which line does it. */
function installServers() {
  const wanted = {
    postgresql: '/usr/lib/postgresql/15/bin/postgres',
    'postgresql-client': '/usr/bin/psql',
    'python3-psycopg': '/usr/lib/python3/dist-packages/psycopg/__init__.py',
    'python3-asyncpg': '/usr/lib/python3/dist-packages/asyncpg/__init__.py',
    tmux: '/usr/bin/tmux',
  };
  const missing = Object.entries(wanted)
    .filter(([, file]) => !existsSync(file))
    .map(([name]) => name);
  if (spawnSync('go', ['version'], { stdio: 'ignore' }).status !== 0) missing.push('golang');
  if (missing.length === 0) return;
  const line = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    console.error(`the tests need programs that are not installed; run:\n\n    sudo ${line}\n`);
    process.exit(1);
  }
  const quiet = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  run('apt-get', ['update', '-qq'], quiet);
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], quiet);
}
