import { dirname } from 'node:path';
import type { FileSystem, OpenFile } from './ports.ts';

/**
 * Files that an entry refers to: blobs of long fields, keys of sealed sessions. They are written before their entry and
 * synced before it, so that no entry on disk ever refers to what is not there.
 */
export class Attachments {
  readonly #files: FileSystem;
  #unsynced: { readonly file: OpenFile; readonly path: string; readonly parents: number }[] = [];

  constructor(files: FileSystem) {
    this.#files = files;
  }

  /** `parents` is how many directories above the file may be new. */
  write(path: string, bytes: Uint8Array, parents: number): void {
    this.#files.makeDirectoryNow(dirname(path));
    const file = this.#files.openNow(path, 'replace');
    try {
      let written = 0;
      while (written < bytes.length) {
        written += this.#files.writeNow(file, bytes, written, bytes.length - written, written);
      }
    } catch (error) {
      this.#files.closeNow(file);
      throw error;
    }
    this.#unsynced.push({ file, path, parents });
  }

  async sync(): Promise<void> {
    const batch = this.#unsynced;
    if (batch.length === 0) return;
    this.#unsynced = [];
    const directories = new Set<string>();
    for (const { file, path, parents } of batch) {
      await this.#files.sync(file);
      await this.#files.close(file);
      let directory = dirname(path);
      for (let level = 0; level < parents; level += 1) {
        directories.add(directory);
        directory = dirname(directory);
      }
    }
    for (const directory of directories) await this.#files.syncDirectory(directory);
  }
}
