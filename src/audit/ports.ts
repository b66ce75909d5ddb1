/**
 * What the record needs from the machine. It is a port so that a test can fail, cut or forget any single call: the
 * promises of this room are about what is left on disk after exactly that.
 */
export type OpenMode =
  /** For reading; fails when absent. */
  | 'read'
  /** For reading and writing; created when absent, never cut. */
  | 'update'
  /** For reading and writing; created when absent, cut to nothing when present. */
  | 'replace';

/** A number that the implementation understands. */
export type OpenFile = number;

export interface DirectoryItem {
  readonly name: string;
  readonly directory: boolean;
}

/** Files are created 0600 and directories 0700. Failures carry the system's `code` (ENOSPC, EIO, …). */
export interface FileSystem {
  // On the way of an action: at once, or not at all.
  openNow(path: string, mode: OpenMode): OpenFile;
  /** May write fewer bytes than asked, as write(2) does. */
  writeNow(file: OpenFile, bytes: Uint8Array, offset: number, length: number, position: number): number;
  truncateNow(file: OpenFile, length: number): void;
  closeNow(file: OpenFile): void;
  makeDirectoryNow(path: string): void;
  /** `null` when there is none. */
  readNow(path: string): Uint8Array | null;

  // Beside it.
  open(path: string, mode: OpenMode): Promise<OpenFile>;
  /** Fills `into` as far as there are bytes, and says how far. */
  read(file: OpenFile, into: Uint8Array, position: number): Promise<number>;
  /** All of `bytes`, or a failure. */
  write(file: OpenFile, bytes: Uint8Array, position: number): Promise<void>;
  size(file: OpenFile): Promise<number>;
  truncate(file: OpenFile, length: number): Promise<void>;
  /** fdatasync(2). */
  sync(file: OpenFile): Promise<void>;
  close(file: OpenFile): Promise<void>;
  /** `null` when there is none. */
  readWhole(path: string): Promise<Uint8Array | null>;
  /** Empty when there is no such directory. */
  list(directory: string): Promise<readonly DirectoryItem[]>;
  /** With its parents; nothing happens when it is there. */
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** A file or a whole directory; nothing happens when there is none. */
  remove(path: string): Promise<void>;
  /** Bytes that may still be written below a path. */
  free(path: string): Promise<number>;
  /** Makes the names in a directory durable: fsync(2) of it. */
  syncDirectory(path: string): Promise<void>;
}

/** Whoever holds it is the only writer of a directory. */
export interface DirectoryLock {
  release(): void;
}

export interface Clock {
  now(): number;
}
