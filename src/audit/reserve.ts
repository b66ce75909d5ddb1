import { randomFillSync } from 'node:crypto';
import { dirname } from 'node:path';
import { systemCode } from './files.ts';
import type { FileSystem, OpenFile } from './ports.ts';

/**
 * Space that is taken while there is some and given back when there is none, so that what must still be recorded on a
 * full disk can be. The first step serves refusals and administration, the last one only the ends of what has begun:
 * nobody can use up by being refused what is needed to close the record.
 */
export class Reserve {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #file: OpenFile;
  readonly #bytes: number;
  #held = 0;

  private constructor(files: FileSystem, path: string, file: OpenFile, bytes: number) {
    this.#files = files;
    this.#path = path;
    this.#file = file;
    this.#bytes = bytes;
  }

  static async open(files: FileSystem, path: string, bytes: number): Promise<Reserve> {
    const reserve = new Reserve(files, path, await files.open(path, 'update'), bytes);
    reserve.#held = Math.min(await files.size(reserve.#file), bytes);
    return reserve;
  }

  get whole(): boolean {
    return this.#held === this.#bytes;
  }

  /** Whether a step gave anything back. */
  release(step: ReserveStep): boolean {
    const keep = step === 'first' ? Math.floor(this.#bytes / LAST_STEP_PART) : 0;
    if (this.#held <= keep) return false;
    this.#files.truncateNow(this.#file, keep);
    this.#held = keep;
    return true;
  }

  /** Takes the space again, all of it or nothing more than it has. False: the disk is still full. */
  async refill(): Promise<boolean> {
    const before = this.#held;
    // As much again must stay free: taking the last of it would only bring the same trouble back.
    if ((await this.#files.free(dirname(this.#path))) < FREE_FACTOR * (this.#bytes - before)) return false;
    // Random, because a file system that compresses would hold no space for zeros.
    const block = randomFillSync(Buffer.allocUnsafe(Math.min(BLOCK_BYTES, this.#bytes)));
    try {
      for (let at = before; at < this.#bytes; at += block.length) {
        await this.#files.write(this.#file, block.subarray(0, Math.min(block.length, this.#bytes - at)), at);
      }
      await this.#files.sync(this.#file);
    } catch (error) {
      // What was released in the meantime stays released.
      await this.#files.truncate(this.#file, Math.min(before, this.#held));
      if (isNoSpace(error)) return false;
      throw error;
    }
    this.#held = this.#bytes;
    return true;
  }

  close(): Promise<void> {
    return this.#files.close(this.#file);
  }
}

export type ReserveStep = 'first' | 'last';

export function isNoSpace(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

const FREE_FACTOR = 2;
const BLOCK_BYTES = 1024 * 1024;
/** The last step is an eighth of the whole. */
const LAST_STEP_PART = 8;
