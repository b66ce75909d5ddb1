import type { DirectoryItem, FileSystem, OpenMode } from '../../src/audit/ports.ts';

/**
 * A file system that remembers what has been synced and what has not, so that a test can pull the plug after any call:
 * `kill` keeps everything written, as the kernel does for a process that ends; `power` keeps what was synced, and of the
 * rest only what `keep` says.
 */
export class MemoryFiles implements FileSystem {
  #root: Directory = directory();
  readonly #open = new Map<number, File>();
  #nextFile = 100;
  /** Called before each call; what it throws, the call throws. A number from `partly` cuts a write short before failing. */
  fault: ((call: string, path: string) => void) | null = null;
  calls = 0;
  space_bytes = Number.POSITIVE_INFINITY;

  crash(kind: 'kill' | 'power', keep: () => boolean = () => false): MemoryFiles {
    const after = new MemoryFiles();
    after.#root = kind === 'kill' ? copyNow(this.#root) : copyDurable(this.#root, keep);
    return after;
  }

  openNow(path: string, mode: OpenMode): number {
    this.#call('open', path);
    const parent = this.#directory(parentOf(path));
    let node = parent.now.get(nameOf(path));
    if (node === undefined) {
      if (mode === 'read') throw failure('ENOENT', 'open');
      node = { kind: 'file', now: Buffer.alloc(0), durable: Buffer.alloc(0) };
      change(parent, [nameOf(path), node]);
    }
    if (node.kind !== 'file') throw failure('EISDIR', 'open');
    if (mode === 'replace') {
      node.now = Buffer.alloc(0);
      delete node.room;
    }
    this.#nextFile += 1;
    this.#open.set(this.#nextFile, node);
    return this.#nextFile;
  }

  writeNow(file: number, bytes: Uint8Array, offset: number, length: number, position: number): number {
    const node = this.#file(file);
    const put = (count: number) => splice(node, bytes.subarray(offset, offset + count), position);
    const grows = Math.max(0, position + length - node.now.length);
    if (this.space_bytes !== Number.POSITIVE_INFINITY && this.used() + grows > this.space_bytes) {
      const fits = Math.max(0, length - (this.used() + grows - this.space_bytes));
      if (fits === 0) throw failure('ENOSPC', 'write');
      put(fits);
      return fits;
    }
    try {
      this.#call('write', '');
    } catch (error) {
      put(Math.floor(length / 2));
      throw error;
    }
    put(length);
    return length;
  }

  truncateNow(file: number, length: number): void {
    this.#call('truncate', '');
    const node = this.#file(file);
    node.now = Buffer.concat([node.now.subarray(0, length), Buffer.alloc(Math.max(0, length - node.now.length))]);
    delete node.room;
  }

  closeNow(file: number): void {
    this.#call('close', '');
    this.#open.delete(file);
  }

  makeDirectoryNow(path: string): void {
    this.#call('makeDirectory', path);
    let at = this.#root;
    for (const name of parts(path)) {
      const next = at.now.get(name) ?? directory();
      if (next.kind !== 'directory') throw failure('ENOTDIR', 'mkdir');
      if (!at.now.has(name)) change(at, [name, next]);
      at = next;
    }
  }

  readNow(path: string): Uint8Array | null {
    const node = this.#node(path);
    return node?.kind === 'file' ? Buffer.from(node.now) : null;
  }

  async open(path: string, mode: OpenMode): Promise<number> {
    return this.openNow(path, mode);
  }

  async read(file: number, into: Uint8Array, position: number): Promise<number> {
    const bytes = this.#file(file).now.subarray(position, position + into.length);
    into.set(bytes);
    return bytes.length;
  }

  async write(file: number, bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; )
      done += this.writeNow(file, bytes, done, bytes.length - done, position + done);
  }

  async size(file: number): Promise<number> {
    return this.#file(file).now.length;
  }

  async truncate(file: number, length: number): Promise<void> {
    this.truncateNow(file, length);
  }

  async sync(file: number): Promise<void> {
    const node = this.#file(file);
    this.#call('sync', '');
    const bytes = node.now;
    // What is written while a sync runs is not covered by it.
    await Promise.resolve();
    node.durable = bytes;
  }

  async close(file: number): Promise<void> {
    this.closeNow(file);
  }

  async readWhole(path: string): Promise<Uint8Array | null> {
    return this.readNow(path);
  }

  async list(path: string): Promise<readonly DirectoryItem[]> {
    const node = this.#node(path);
    if (node?.kind !== 'directory') return [];
    return [...node.now].map(([name, child]) => ({ name, directory: child.kind === 'directory' }));
  }

  async makeDirectory(path: string): Promise<void> {
    this.makeDirectoryNow(path);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#call('rename', to);
    const node = this.#node(from);
    if (node === undefined) throw failure('ENOENT', 'rename');
    // Within one directory, as all of the record's are.
    change(this.#directory(parentOf(to)), [nameOf(from), null], [nameOf(to), node]);
  }

  async remove(path: string): Promise<void> {
    this.#call('remove', path);
    const parent = this.#node(parentOf(path));
    if (parent?.kind === 'directory' && parent.now.has(nameOf(path))) change(parent, [nameOf(path), null]);
  }

  async free(): Promise<number> {
    return this.space_bytes - this.used();
  }

  async syncDirectory(path: string): Promise<void> {
    this.#call('syncDirectory', path);
    const node = this.#directory(path);
    node.durable = new Map(node.now);
    node.unsynced = [];
  }

  /** Every file with its path. */
  *files(node: Directory = this.#root, below = ''): Generator<{ path: string; file: File }> {
    for (const [name, child] of node.now) {
      const path = `${below}/${name}`;
      if (child.kind === 'file') yield { path, file: child };
      else yield* this.files(child, path);
    }
  }

  used(): number {
    let bytes = 0;
    for (const { file } of this.files()) bytes += file.now.length;
    return bytes;
  }

  #call(call: string, path: string): void {
    this.calls += 1;
    this.fault?.(call, path);
  }

  #file(file: number): File {
    const node = this.#open.get(file);
    if (node === undefined) throw failure('EBADF', 'file');
    return node;
  }

  #directory(path: string): Directory {
    const node = this.#node(path);
    if (node?.kind !== 'directory') throw failure('ENOENT', 'directory');
    return node;
  }

  #node(path: string): Node | undefined {
    let at: Node = this.#root;
    for (const name of parts(path)) {
      const next: Node | undefined = at.kind === 'directory' ? at.now.get(name) : undefined;
      if (next === undefined) return undefined;
      at = next;
    }
    return at;
  }
}

export function failure(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: ${syscall}`), { code, syscall });
}

interface File {
  readonly kind: 'file';
  now: Buffer;
  /** Room that `now` is the beginning of; nobody else's snapshot reaches beyond what `now` was then. */
  room?: Buffer;
  durable: Buffer;
}
interface Directory {
  readonly kind: 'directory';
  now: Map<string, Node>;
  durable: Map<string, Node>;
  /** What has been done to the names since they were synced; each is done whole or not at all. */
  unsynced: Change[];
}
/** A rename is one change of two names. */
type Change = readonly (readonly [name: string, node: Node | null])[];
type Node = File | Directory;

/** Snapshots share memory with a file, so what they see is never written over, only written behind. */
function splice(file: File, bytes: Uint8Array, position: number): void {
  const end = position + bytes.length;
  if (position !== file.now.length || file.room === undefined || end > file.room.length) {
    const room = Buffer.alloc(Math.max(end, file.now.length) * 2);
    room.set(file.now);
    file.room = room;
    file.now = room.subarray(0, Math.max(file.now.length, end));
  } else file.now = file.room.subarray(0, end);
  file.now.set(bytes, position);
}

function directory(): Directory {
  return { kind: 'directory', now: new Map(), durable: new Map(), unsynced: [] };
}

function copyNow(from: Directory): Directory {
  const copy = new Map<string, Node>();
  for (const [name, node] of from.now) {
    copy.set(name, node.kind === 'file' ? { kind: 'file', now: node.now, durable: node.now } : copyNow(node));
  }
  return { kind: 'directory', now: copy, durable: new Map(copy), unsynced: [] };
}

function copyDurable(from: Directory, keep: () => boolean): Directory {
  const names = new Map(from.durable);
  for (const kept of from.unsynced) if (keep()) apply(names, kept);
  const copy = new Map<string, Node>();
  for (const [name, node] of names) {
    if (node.kind === 'directory') copy.set(name, copyDurable(node, keep));
    else {
      const bytes = keep() ? node.now : node.durable;
      copy.set(name, { kind: 'file', now: bytes, durable: bytes });
    }
  }
  return { kind: 'directory', now: copy, durable: new Map(copy), unsynced: [] };
}

function change(directory: Directory, ...changes: Change): void {
  apply(directory.now, changes);
  directory.unsynced.push(changes);
}

function apply(names: Map<string, Node>, changes: Change): void {
  for (const [name, node] of changes) {
    if (node === null) names.delete(name);
    else names.set(name, node);
  }
}

function parts(path: string): readonly string[] {
  return path.split('/').filter((part) => part !== '');
}
function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
