import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { all, type Copy, copies, last, ROOT, type Stage } from './dockerfile.ts';

/** A directory that stands for the root of the image's file system: laid out by the COPY lines, then made read only. */
export interface Layout {
  readonly root: string;
  /** A path of the image, on this machine. */
  at(path: string): string;
  /** Puts a file or folder of the repository where a read-only mount would. */
  mount(from: string, to: string, edit?: (text: string) => string): void;
  /** Runs a command of the image as its user, who is nobody here and may write nothing of it. */
  start(command: readonly string[], environment?: Readonly<Record<string, string>>): ChildProcess;
  run(command: readonly string[], environment?: Readonly<Record<string, string>>): Ran;
  remove(): void;
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `writable` are the paths of the image that a volume is mounted at. */
export function layOut(image: Stage, writable: readonly string[]): Layout {
  const root = mkdtempSync(join(tmpdir(), 'sallyport-image-'));
  const at = (path: string) => join(root, path);
  const workingDirectory = last(image, 'WORKDIR');
  for (const copy of copies(image)) layCopy(copy, at(workingDirectory));
  // The base image brings node on the PATH; npm's one is pruned with the other development packages.
  mkdirSync(at('/usr/local/bin'), { recursive: true });
  copyFileSync(join(ROOT, 'node_modules/node/bin/node'), at('/usr/local/bin/node'), constants.COPYFILE_FICLONE);
  const runsAs = userOf(image);
  for (const path of writable) mkdirSync(at(path), { recursive: true });
  succeed('chmod', ['-R', 'a-w,a+rX', root]);
  for (const path of writable) {
    chmodSync(at(path), 0o700);
    if (runsAs !== null) chownSync(at(path), runsAs.uid, runsAs.gid);
  }
  const options = (environment: Readonly<Record<string, string>> = {}) => ({
    cwd: at(workingDirectory),
    // No writable place for temporary files either.
    env: { ...environmentOf(image), PATH: `${at('/usr/local/bin')}:/usr/bin:/bin`, TMPDIR: root, ...environment },
    ...(runsAs ?? {}),
  });
  const words = (command: readonly string[]): readonly [string, string[]] => {
    const [program = '', ...rest] = command.map((word) => (isOfImage(word) ? at(word) : word));
    return [program, rest];
  };
  return {
    root,
    at,
    mount: (from, to, edit) => {
      mkdirSync(dirname(at(to)), { recursive: true });
      cpSync(join(ROOT, from), at(to), { recursive: true });
      if (edit !== undefined) writeFileSync(at(to), edit(readFileSync(at(to), 'utf8')));
      succeed('chmod', ['-R', 'a-w,a+rX', dirname(at(to))]);
    },
    start: (command, environment) =>
      spawn(...words(command), { ...options(environment), stdio: ['ignore', 'pipe', 'pipe'] }),
    run: (command, environment) =>
      spawnSync(...words(command), { ...options(environment), encoding: 'utf8', timeout: RUN_MS }),
    remove: () => {
      succeed('chmod', ['-R', 'u+w', root]);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function layCopy({ stage, sources, to }: Copy, workingDirectory: string): void {
  const target = join(workingDirectory, to);
  for (const source of sources) {
    // Of a stage, only what `npm ci && npm run build && npm prune --omit=dev` leaves in /build is taken.
    if (stage !== null && !source.startsWith('/build/')) throw new Error(`no place for ${source} of stage ${stage}`);
    const name = source.replace(/^\/build\//, '');
    if (stage !== null && name === 'node_modules') layProductionPackages(target);
    else {
      const from = join(ROOT, name);
      if (!existsSync(from)) throw new Error(`${name} is missing: npm run build`);
      mkdirSync(dirname(target), { recursive: true });
      cpSync(from, target, { recursive: true, mode: constants.COPYFILE_FICLONE });
    }
  }
}

/** What `npm prune --omit=dev` leaves of node_modules: by the lock file, and copied, so that nothing else can be found. */
function layProductionPackages(target: string): void {
  const { packages } = lockFile.parse(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')));
  for (const [path, { dev }] of Object.entries(packages)) {
    const from = join(ROOT, path);
    if (path === '' || dev || !existsSync(from)) continue;
    const nested = join(from, 'node_modules');
    cpSync(from, join(target, path.slice('node_modules/'.length)), {
      recursive: true,
      mode: constants.COPYFILE_FICLONE,
      filter: (file) => file !== nested,
    });
  }
}

/** Another uid than that of the files; only root can run as somebody else. */
function userOf(image: Stage): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const [uid = 0, gid = 0] = last(image, 'USER').split(':').map(Number);
  return { uid, gid };
}

function environmentOf(image: Stage): Record<string, string> {
  return Object.fromEntries(
    all(image, 'ENV').flatMap((text) =>
      [...text.matchAll(/(\w+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value]),
    ),
  );
}

/** Absolute paths below what the image or its volumes hold; not, say, a socket of this machine. */
function isOfImage(word: string): boolean {
  return /^\/(opt|etc|var\/lib)\/sallyport(\/|$)/.test(word);
}

function succeed(program: string, words: readonly string[]): void {
  const { status, stderr } = spawnSync(program, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${words.join(' ')}: ${stderr}`);
}

const lockFile = z.object({ packages: z.record(z.string(), z.object({ dev: z.boolean().default(false) })) });
const RUN_MS = 20_000;
