import type { Command } from 'commander';
import { systemFiles } from '../../config/files.ts';
import { type Loaded, loadConfig } from '../../config/load.ts';
import { describeProblem } from '../../config/problem.ts';
import { escapeControls } from '../../observe/redaction.ts';
import type { Context } from '../context.ts';
import { usage } from '../failure.ts';
import { example } from '../options.ts';
import { jsonText } from '../print.ts';

export function addCheck(program: Command, context: Context): void {
  program
    .command('check')
    .description('validate configuration and policies; every problem at once, with file and line')
    .option('--without-secrets', 'secrets need not be on this machine')
    .addHelpText('after', example('sallyport check --config sallyport.yaml'))
    .action(async (options: { withoutSecrets?: boolean }, command: Command) => {
      const path = context.configPath(command);
      if (path === null) throw usage('which configuration?', '--config FILE or SALLYPORT_CONFIG');
      const found = await checkAll(path, context, options.withoutSecrets === true ? 'unchecked' : 'present');
      if (found.problems.length > 0) context.finish(1);
      if (context.wantsJson(command)) {
        const { problems, warnings } = found;
        return context.io.stdout(`${jsonText({ valid: problems.length === 0, problems, warnings })}\n`);
      }
      report(found, context);
      if (found.problems.length === 0) {
        context.io.stdout(
          `valid: ${count(found.targets, 'target')}, ${count(found.rules, 'rule')}, ${count(found.warnings.length, 'warning')}\n`,
        );
      }
    });
}

export interface Checked {
  readonly loaded: Loaded;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
  readonly targets: number;
  readonly rules: number;
}

/** The configuration and, where it is one, its policies. */
export async function checkAll(path: string, context: Context, secrets: 'present' | 'unchecked'): Promise<Checked> {
  const loaded = loadConfig(path, context.io.env, systemFiles, { now: context.io.now(), secrets });
  const warnings = loaded.warnings.map(describeProblem);
  if (loaded.outcome === 'invalid')
    return { loaded, problems: loaded.problems.map(describeProblem), warnings, targets: 0, rules: 0 };
  const policies = await context.rooms.checkPolicies(loaded.config);
  return {
    loaded,
    problems: policies.problems.map(({ file, line, message }) => `${file}:${line}: ${message}`),
    warnings: [...warnings, ...policies.notes],
    targets: loaded.config.targets.length,
    rules: policies.rules,
  };
}

export function report(found: Checked, context: Context): void {
  for (const problem of found.problems) context.io.stderr(`${escapeControls(problem)}\n`);
  for (const warning of found.warnings) context.io.stderr(`warning: ${escapeControls(warning)}\n`);
  if (found.problems.length > 0)
    context.io.stderr(`sallyport: CONFIG_INVALID: ${count(found.problems.length, 'problem')}\n`);
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? '' : 's'}`;
}
