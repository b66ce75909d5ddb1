import { LIMITS } from '../core/limits.ts';
import { machineFiles } from './files.ts';
import type { FileSystem } from './ports.ts';
import { LogReader, offlineUnpublished } from './reader.ts';
import { SealedStore } from './sealed.ts';
import { SessionIndex } from './session-index.ts';

export interface OfflineLog {
  readonly reader: LogReader;
  readonly sessions: SessionIndex;
}

/** Reads a log that nobody writes, or a copy of one. It proves nothing; `verifyLog` does. */
export async function readLog(
  directory: string,
  sessionKeys: string | null,
  files: FileSystem = machineFiles,
): Promise<OfflineLog> {
  const reader = new LogReader(
    files,
    directory,
    new SealedStore(files, directory, sessionKeys),
    await offlineUnpublished(files, directory),
  );
  const sessions = new SessionIndex(LIMITS.sessions_indexed_max);
  await indexSessions(reader, sessions, 0);
  return { reader, sessions };
}

/** The index of sessions, from the entries alone; gives the time of the last one. */
export async function indexSessions(reader: LogReader, sessions: SessionIndex, from: number): Promise<number> {
  let lastAt = 0;
  for await (const { index, entry } of reader.envelopes(from, reader.size)) {
    lastAt = entry.at;
    sessions.add(index, entry.at, entry);
  }
  return lastAt;
}
