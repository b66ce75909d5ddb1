import { isAbsolute, join } from 'node:path';
import type { ConfigFiles } from './files.ts';

export interface GlobMatches {
  /** Absolute paths, sorted. */
  readonly paths: readonly string[];
  /** Directories that were listed: where a new match could appear. */
  readonly directories: readonly string[];
  /** More matched, or more had to be listed, than is allowed. */
  readonly tooMany: boolean;
}

export function hasWildcard(pattern: string): boolean {
  return /[*?]/.test(pattern);
}

/**
 * The files a pattern names: `*` and `?` within one segment of the path, `**` for any directories between. Names that
 * begin with a dot match only a pattern that writes the dot, as in every shell.
 */
export function expandGlob(pattern: string, directory: string, files: ConfigFiles): GlobMatches {
  const absolute = isAbsolute(pattern) ? pattern : join(directory, pattern);
  const segments = absolute.split('/').filter((segment) => segment !== '' && segment !== '.');
  const walk: Walk = { files, paths: new Set(), directories: new Set(), tooMany: false };
  descend('/', segments, walk, 0);
  return { paths: [...walk.paths].sort(), directories: [...walk.directories].sort(), tooMany: walk.tooMany };
}

/**
 * Whether a change at this absolute path may change what a pattern names: it matches the pattern, or is a directory on
 * the way to something that would.
 */
export function mayMatch(pattern: string, path: string): boolean {
  const wanted = pattern.split('/').filter((segment) => segment !== '' && segment !== '.');
  const given = path.split('/').filter((segment) => segment !== '');
  const from = (want: number, have: number): boolean => {
    const segment = wanted[want];
    if (have === given.length) return true;
    if (segment === undefined) return false;
    if (segment === '**') return from(want + 1, have) || from(want, have + 1);
    return matcher(segment)(given[have] ?? '') && from(want + 1, have + 1);
  };
  return from(0, 0);
}

interface Walk {
  readonly files: ConfigFiles;
  readonly paths: Set<string>;
  readonly directories: Set<string>;
  tooMany: boolean;
}

function descend(directory: string, segments: readonly string[], walk: Walk, depth: number): void {
  const [segment, ...rest] = segments;
  if (segment === undefined || walk.tooMany) return;
  if (!hasWildcard(segment)) {
    const path = join(directory, segment);
    if (rest.length > 0) descend(path, rest, walk, depth);
    else if (walk.files.exists(path)) found(path, walk);
    return;
  }
  if (depth > DEPTH_MAX || walk.directories.size >= DIRECTORIES_MAX) {
    walk.tooMany = true;
    return;
  }
  walk.directories.add(directory);
  if (segment === '**') descend(directory, rest, walk, depth + 1);
  const matches = matcher(segment === '**' ? '*' : segment);
  for (const entry of walk.files.list(directory)) {
    if (!matches(entry.name)) continue;
    const path = join(directory, entry.name);
    if (segment === '**') {
      if (entry.directory) descend(path, segments, walk, depth + 1);
    } else if (rest.length > 0) {
      if (entry.directory) descend(path, rest, walk, depth + 1);
    } else if (!entry.directory) found(path, walk);
  }
}

function found(path: string, walk: Walk): void {
  if (walk.paths.size >= MATCHES_MAX) walk.tooMany = true;
  else walk.paths.add(path);
}

function matcher(segment: string): (name: string) => boolean {
  const source = segment
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '[^/]*')
    .replace(/\?/g, '[^/]');
  const expression = new RegExp(`^${source}$`, 'u');
  return (name) => (segment.startsWith('.') || !name.startsWith('.')) && expression.test(name);
}

const DEPTH_MAX = 16;
export const MATCHES_MAX = 5_000;
const DIRECTORIES_MAX = 5_000;
