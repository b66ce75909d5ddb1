import { join } from 'node:path';
import { isJournalName } from './journal.ts';
import type { FileSystem } from './ports.ts';
import { CHECKPOINT } from './publisher.ts';
import { type Tile, tileOfPath, tileWidth } from './tiles.ts';

/** What a file below a log's directory is to its tree. */
export type Standing =
  /** Belongs to the tree in its present size. */
  | { readonly is: 'tile'; readonly tile: Tile }
  /** A partial tile of an earlier size, which must agree with the present one. */
  | { readonly is: 'older'; readonly tile: Tile }
  /** Beyond the checkpoint: left by a crash between writing and signing, or put there. */
  | { readonly is: 'beyond' }
  /** No name of the layout. */
  | { readonly is: 'stray' };

export function standing(path: string, size: number): Standing {
  const tile = tileOfPath(path);
  if (tile === null) return { is: 'stray' };
  const width = tileWidth(size, tile.kind, tile.index);
  if (tile.width > width) return { is: 'beyond' };
  return tile.width === width ? { is: 'tile', tile } : { is: 'older', tile };
}

/** Every file below `tile/`, as a path from the log's directory. */
export async function* tileFiles(files: FileSystem, directory: string, below = 'tile'): AsyncGenerator<string> {
  for (const { name, directory: isDirectory } of await files.list(join(directory, below))) {
    const path = `${below}/${name}`;
    if (isDirectory) yield* tileFiles(files, directory, path);
    else yield path;
  }
}

/** What else may lie in a log's directory. */
export function isKnownName(name: string): boolean {
  return (
    KNOWN.has(name) || isJournalName(name) || /^pending\.cut-\d+$/.test(name) || /^checkpoint\.[\w.-]+$/.test(name)
  );
}

const KNOWN: ReadonlySet<string> = new Set([
  CHECKPOINT,
  'tile',
  'sealed',
  'reserve',
  'lock',
  'lock-journal',
  'vkey',
  'vkey.tmp',
]);
