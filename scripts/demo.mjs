// `npm run demo`: works in a clean clone, on any Node from 18 on.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build, root, underPinnedNode } from './bootstrap.mjs';

underPinnedNode(process.argv[1], process.argv.slice(2));
build();
const child = spawn(join(root, 'bin', 'sallyport'), ['demo', ...process.argv.slice(2)], {
  stdio: 'inherit',
  cwd: root,
});
// Ctrl-C reaches the demo itself, which ends cleanly; this only waits for it.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => signal === 'SIGTERM' && child.kill(signal));
child.on('exit', (status, signal) => process.exit(status ?? (signal === 'SIGINT' ? 130 : 1)));
