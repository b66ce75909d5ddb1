import { resolve as absolutePath, dirname } from 'node:path';
import { GatewayError } from '../core/errors.ts';
import type { Config, ConfigSource } from './config.ts';
import { type ConfigFiles, systemFiles } from './files.ts';
import { describeProblem, inOrder, type Problem } from './problem.ts';
import { resolveConfig } from './resolve.ts';
import { readSources } from './sources.ts';

export type Loaded =
  | { readonly outcome: 'loaded'; readonly config: Config; readonly warnings: readonly Problem[] }
  | {
      readonly outcome: 'invalid';
      readonly problems: readonly Problem[];
      readonly warnings: readonly Problem[];
      /** What was read, and has to be watched for the mistake to be mended. */
      readonly source: ConfigSource;
    };

export interface LoadOptions {
  /** What an observe mode's end is measured from. */
  readonly now?: number;
  /** `unchecked`: secrets need not be there, as on a machine that only checks. */
  readonly secrets?: 'present' | 'unchecked';
}

/** Reads the configuration whole: either a frozen `Config`, or every problem in it. */
export function loadConfig(
  path: string,
  env: NodeJS.ProcessEnv,
  files: ConfigFiles = systemFiles,
  options: LoadOptions = {},
): Loaded {
  const absolute = absolutePath(path);
  const sources = readSources(absolute, files);
  const resolved = resolveConfig(absolute, sources, {
    env,
    files,
    now: options.now ?? Date.now(),
    secretsPresent: options.secrets !== 'unchecked',
  });
  const warnings = inOrder([...sources.warnings, ...resolved.warnings]);
  const problems = inOrder([...sources.problems, ...resolved.problems]);
  if (problems.length > 0 || resolved.config === null) {
    const { files: read, directories, patterns } = sources;
    const source = { path: absolute, directory: dirname(absolute), files: read, directories, patterns };
    return { outcome: 'invalid', problems, warnings, source };
  }
  return { outcome: 'loaded', config: resolved.config, warnings };
}

/** All problems as one expected failure, for where there is nobody to show a list to. */
export function configInvalid(problems: readonly Problem[]): GatewayError {
  const [first] = problems;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return new GatewayError(
    'CONFIG_INVALID',
    first === undefined ? 'no configuration' : `${describeProblem(first)}${more}`,
    {
      problems: problems.map(describeProblem),
    },
  );
}
