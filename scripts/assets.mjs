// Copies what `tsc` leaves behind: data files that the sources read at run time.
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
for (const entry of readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || /\.(ts|md)$/.test(entry.name)) continue;
  const from = join(entry.parentPath, entry.name);
  cpSync(from, from.replace(join(root, 'src'), join(root, 'dist')));
}
