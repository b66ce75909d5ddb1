import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config, ConfigSource } from './config.ts';
import { type ConfigFiles, systemFiles } from './files.ts';
import { expandGlob, mayMatch } from './glob.ts';
import { type Loaded, loadConfig } from './load.ts';
import type { Problem } from './problem.ts';
import { errorCode } from './secret.ts';

export interface WatchOptions {
  readonly path: string;
  readonly env: NodeJS.ProcessEnv;
  /** The one in force when watching starts. */
  readonly current: Config;
  /** Makes the new configuration the one in force, or throws and leaves the old one. */
  readonly apply: (config: Config, warnings: readonly Problem[]) => Promise<void>;
  /** A new one was not applied. */
  readonly refused: (problems: readonly Problem[], error: unknown) => void;
  /** Editors write in several steps: nothing is read before it has been quiet this long. */
  readonly quiet_ms?: number;
  /** Also on SIGHUP. */
  readonly signal?: boolean;
}

export interface ConfigWatch {
  /** Reads again now. Resolves when the new configuration is in force or refused. */
  reload(): Promise<'applied' | 'refused'>;
  close(): void;
}

/**
 * Reads the configuration again on SIGHUP and whenever one of its files changes: whole or not at all. Directories are
 * watched, not files, because editors and ConfigMaps replace files instead of writing into them.
 */
export function watchConfig(options: WatchOptions): ConfigWatch {
  const directories = new Directories(() => soon());
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<'applied' | 'refused'> = Promise.resolve('applied');
  let closed = false;
  let inForce = options.current.source;
  let followed = inForce;
  let seen = fingerprint(followed);

  const soon = (): void => {
    if (closed) return;
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(() => void lookAgain(), options.quiet_ms ?? QUIET_MS);
    timer.unref();
  };
  /** An event says that something may have changed: the clock of a file, its owner, or nothing at all. */
  const lookAgain = async (): Promise<void> => {
    if (fingerprint(followed) !== seen || patternsChanged(followed)) await reload();
  };
  const reload = (): Promise<'applied' | 'refused'> => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    // One after the other: two reloads at once could apply the older last.
    running = running.then(readAndApply);
    return running;
  };
  const readAndApply = async (): Promise<'applied' | 'refused'> => {
    if (closed) return 'refused';
    try {
      const { loaded, print } = loadWithPrint(options);
      const source = loaded.outcome === 'loaded' ? loaded.config.source : loaded.source;
      // Also of one that is refused: whoever mends it may do so in a file that only the new one names.
      followed = source;
      seen = print;
      directories.follow([inForce, source]);
      if (loaded.outcome === 'invalid') {
        options.refused(loaded.problems, null);
        return 'refused';
      }
      await options.apply(loaded.config, loaded.warnings);
      inForce = source;
      directories.follow([source]);
      return 'applied';
    } catch (error) {
      options.refused([], error);
      return 'refused';
    }
  };

  directories.follow([followed]);
  const onSignal = (): void => void reload();
  if (options.signal !== false) process.on('SIGHUP', onSignal);
  return {
    reload,
    close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      process.removeListener('SIGHUP', onSignal);
      directories.follow([]);
    },
  };
}

/** The configuration, and the print of what was read: a file that changes meanwhile differs from it afterwards. */
function loadWithPrint(options: WatchOptions): { readonly loaded: Loaded; readonly print: string } {
  const digests = new Map<string, string>();
  const recording: ConfigFiles = {
    ...systemFiles,
    read(path) {
      const text = systemFiles.read(path);
      digests.set(path, digest(text));
      return text;
    },
  };
  const loaded = loadConfig(options.path, options.env, recording);
  const source = loaded.outcome === 'loaded' ? loaded.config.source : loaded.source;
  return { loaded, print: fingerprint(source, digests) };
}

/** The directories that are watched, and what in them matters. */
class Directories {
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #changed: () => void;
  #sources: readonly ConfigSource[] = [];

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  follow(sources: readonly ConfigSource[]): void {
    this.#sources = sources;
    const wanted = new Set(sources.flatMap(directoriesOf));
    for (const [directory, watcher] of this.#watchers) {
      if (wanted.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    for (const directory of wanted) {
      if (!this.#watchers.has(directory) && systemFiles.exists(directory)) this.#watch(directory);
    }
  }

  #watch(directory: string): void {
    const watcher = watch(directory, { persistent: false }, (_event, name) => {
      if (name === null || this.#sources.some((source) => concerns(source, directory, name))) this.#changed();
    });
    // A directory that disappears takes its watcher along; SIGHUP still works.
    watcher.on('error', () => {
      watcher.close();
      this.#watchers.delete(directory);
    });
    this.#watchers.set(directory, watcher);
  }
}

function directoriesOf(source: ConfigSource): readonly string[] {
  return [...source.files.map((file) => dirname(file)), ...source.directories];
}

/**
 * Other things may lie in these directories and change all the time: a log, the data. `..data` is the link that
 * Kubernetes turns when a ConfigMap changes; the files in it keep their names.
 */
function concerns(source: ConfigSource, directory: string, name: string): boolean {
  const path = join(directory, name);
  return name === '..data' || source.files.includes(path) || source.patterns.some((pattern) => mayMatch(pattern, path));
}

/** What the files of a configuration hold; those not read before are read. */
function fingerprint(source: ConfigSource, before: ReadonlyMap<string, string> = new Map()): string {
  return digest(source.files.map((file) => `${file}\0${before.get(file) ?? digestOf(file)}`).join('\0'));
}

function digestOf(file: string): string {
  try {
    return digest(systemFiles.read(file));
  } catch (error) {
    return errorCode(error);
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A file has come that a pattern names. One that went has changed the fingerprint. */
function patternsChanged({ files, patterns }: ConfigSource): boolean {
  return patterns.some((pattern) => expandGlob(pattern, '/', systemFiles).paths.some((path) => !files.includes(path)));
}

const QUIET_MS = 200;
