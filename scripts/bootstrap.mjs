// Runs on any Node from 18 on: installs what package-lock.json names, then goes on under the pinned Node.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');
const bin = join(root, 'node_modules', '.bin');
const pinned = join(bin, 'node');

/** Installs if needed; then, unless this already is the pinned Node, runs `script` under it and exits with its status. */
export function underPinnedNode(script, args) {
  install();
  process.env.PATH = `${bin}${delimiter}${process.env.PATH ?? ''}`;
  if (atLeast(process.versions.node, [24, 7])) return;
  const { status, signal } = spawnSync(pinned, [script, ...args], { stdio: 'inherit', env: process.env });
  process.exit(status ?? (signal === 'SIGINT' ? 130 : 1));
}

/** Runs a program and fails with its output's last words where it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error !== undefined || status !== 0) {
    console.error(
      `${command} ${args.join(' ')} failed${error === undefined ? ` with status ${status}` : `: ${error.message}`}`,
    );
    process.exit(1);
  }
}

export function build() {
  const stamp = join(root, 'dist', 'main.js');
  if (existsSync(stamp) && process.env.SALLYPORT_REBUILD !== '1' && newest(join(root, 'src')) < mtime(stamp)) return;
  run('npm', ['run', '--silent', 'build']);
}

function mtime(path) {
  return statSync(path).mtimeMs;
}

function newest(directory) {
  let latest = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) latest = Math.max(latest, mtime(join(entry.parentPath ?? entry.path, entry.name)));
  }
  return latest;
}

function install() {
  // Borrowed from another checkout: not ours to change.
  if (lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink() === true) return;
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules', '.sallyport-lock');
  if (existsSync(pinned) && existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.error('installing dependencies (npm ci) …');
  // npm's own output goes to standard error, so that a command's standard output stays its own.
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0 || !existsSync(pinned)) {
    console.error('npm ci failed: run it by hand to see why');
    process.exit(1);
  }
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  writeFileSync(stamp, lock);
}

function atLeast(version, [major, minor]) {
  const [ours = 0, oursMinor = 0] = version.split('.').map(Number);
  return ours > major || (ours === major && oursMinor >= minor);
}
