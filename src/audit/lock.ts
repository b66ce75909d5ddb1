import { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../core/errors.ts';
import type { DirectoryLock } from './ports.ts';

/**
 * The one writer of a directory. The kernel holds the lock (SQLite takes fcntl locks, and keeps its own account of them
 * within a process), so it ends with its holder however that ends, nobody has to guess whether a process id is still
 * the same process, and two that start at once cannot both win. Nothing is ever written to the file.
 */
export function lockDirectory(path: string): DirectoryLock {
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    const busy = error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
    if (busy) throw new GatewayError('RECORD_LOCKED', 'another process writes this log');
    throw error;
  }
  return { release: () => database.close() };
}

const SQLITE_BUSY = 5;
