import { readdirSync, readFileSync, statSync } from 'node:fs';

/** What reading a configuration needs of a file system. */
export interface ConfigFiles {
  /** Throws what node:fs throws. */
  read(path: string): string;
  /** Entries of a directory in any order; empty where there is none. */
  list(directory: string): readonly { readonly name: string; readonly directory: boolean }[];
  exists(path: string): boolean;
}

export const systemFiles: ConfigFiles = {
  read(path) {
    const { size } = statSync(path);
    if (size > FILE_BYTES_MAX) throw new Error(`${path} has ${size} bytes, limit ${FILE_BYTES_MAX}`);
    return readFileSync(path, 'utf8');
  },
  list(directory) {
    try {
      return readdirSync(directory, { withFileTypes: true }).map((entry) => ({
        name: entry.name,
        directory: entry.isSymbolicLink() ? isDirectory(`${directory}/${entry.name}`) : entry.isDirectory(),
      }));
    } catch {
      return [];
    }
  },
  exists(path) {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  },
};

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

const FILE_BYTES_MAX = 4 * 1024 * 1024;
