import {
  close,
  closeSync,
  constants,
  fdatasync,
  fstat,
  ftruncate,
  ftruncateSync,
  mkdirSync,
  open,
  openSync,
  read,
  readFileSync,
  write,
  writeSync,
} from 'node:fs';
import * as promises from 'node:fs/promises';
import { promisify } from 'node:util';
import type { DirectoryItem, FileSystem, OpenMode } from './ports.ts';

/** The machine's own files. */
export const machineFiles: FileSystem = {
  openNow: (path, mode) => openSync(path, FLAGS[mode], FILE_MODE),
  writeNow: (file, bytes, offset, length, position) => writeSync(file, bytes, offset, length, position),
  truncateNow: (file, length) => ftruncateSync(file, length),
  closeNow: (file) => closeSync(file),
  makeDirectoryNow: (path) => {
    mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE });
  },
  readNow(path) {
    try {
      return readFileSync(path);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return null;
      throw error;
    }
  },

  open: (path, mode) => opens(path, FLAGS[mode], FILE_MODE),
  async read(file, into, position) {
    let filled = 0;
    while (filled < into.length) {
      const { bytesRead } = await reads(file, into, filled, into.length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  },
  async write(file, bytes, position) {
    let written = 0;
    while (written < bytes.length) {
      const { bytesWritten } = await writes(file, bytes, written, bytes.length - written, position + written);
      written += bytesWritten;
    }
  },
  size: async (file) => (await stats(file)).size,
  truncate: (file, length) => truncates(file, length),
  sync: (file) => syncs(file),
  close: (file) => closes(file),
  async readWhole(path) {
    try {
      return await promises.readFile(path);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return null;
      throw error;
    }
  },
  async list(directory): Promise<readonly DirectoryItem[]> {
    try {
      const items = await promises.readdir(directory, { withFileTypes: true });
      return items.map((item) => ({ name: item.name, directory: item.isDirectory() }));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      throw error;
    }
  },
  async makeDirectory(path) {
    await promises.mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
  },
  rename: (from, to) => promises.rename(from, to),
  remove: (path) => promises.rm(path, { recursive: true, force: true }),
  async free(path) {
    const { bavail, bsize } = await promises.statfs(path);
    return bavail * bsize;
  },
  async syncDirectory(path) {
    const directory = await promises.open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
};

/** The system's own name of a failure, or `''` for anything else that was thrown. */
export function systemCode(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code;
  return '';
}

const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY,
  update: constants.O_RDWR | constants.O_CREAT,
  replace: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
};
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

const opens = promisify(open);
const reads = promisify(read);
const writes = promisify(write);
const stats = promisify(fstat);
const truncates = promisify(ftruncate);
const syncs = promisify(fdatasync);
const closes = promisify(close);
