import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from './config.ts';
import { systemFiles } from './files.ts';
import { type Loaded, loadConfig } from './load.ts';
import type { Problem } from './problem.ts';

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
  const watchers = new Map<string, FSWatcher>();
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<'applied' | 'refused'> = Promise.resolve('applied');
  let closed = false;

  const soon = (): void => {
    if (closed) return;
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(() => void reload(), options.quiet_ms ?? QUIET_MS);
    timer.unref();
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
    let loaded: Loaded;
    try {
      loaded = loadConfig(options.path, options.env);
      if (loaded.outcome === 'loaded') {
        await options.apply(loaded.config, loaded.warnings);
        follow(loaded.config);
        return 'applied';
      }
    } catch (error) {
      options.refused([], error);
      return 'refused';
    }
    options.refused(loaded.problems, null);
    return 'refused';
  };
  const follow = (config: Config): void => {
    const wanted = directoriesOf(config);
    for (const [directory, watcher] of watchers) {
      if (wanted.has(directory)) continue;
      watcher.close();
      watchers.delete(directory);
    }
    for (const directory of wanted) {
      if (watchers.has(directory) || closed || !systemFiles.exists(directory)) continue;
      const watcher = watch(directory, { persistent: false }, (_event, name) => {
        if (name === null || concerns(config, directory, name)) soon();
      });
      // A directory that disappears takes its watcher along; SIGHUP still works.
      watcher.on('error', () => {
        watcher.close();
        watchers.delete(directory);
      });
      watchers.set(directory, watcher);
    }
  };

  follow(options.current);
  const onSignal = (): void => void reload();
  if (options.signal !== false) process.on('SIGHUP', onSignal);
  return {
    reload,
    close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      process.removeListener('SIGHUP', onSignal);
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}

function directoriesOf(config: Config): ReadonlySet<string> {
  return new Set([...config.source.files.map((file) => dirname(file)), ...config.source.directories]);
}

/** The data directory may lie beside the configuration, and changes all the time. */
function concerns(config: Config, directory: string, name: string): boolean {
  const path = `${directory}/${name}`;
  return config.gateway.dataDir !== path && !/(^\.|~$|\.sw[a-z]$|\.tmp$)/.test(name.replace(/^\.\.data/, 'data'));
}

const QUIET_MS = 200;
