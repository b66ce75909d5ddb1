import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** The tests from here on run what users run: the built program. */
export default function setup(): void {
  const root = join(import.meta.dirname, '../..');
  const built = spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, encoding: 'utf8' });
  if (built.status !== 0) throw new Error(`the build failed:\n${built.stdout}${built.stderr}`);
}
