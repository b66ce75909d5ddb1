import { dirname, relative } from 'node:path';
import type { Command } from 'commander';
import { explanation, observedView, page, policySetView, policyTestView } from '../../api/contract.ts';
import { systemFiles } from '../../config/files.ts';
import { expandGlob } from '../../config/glob.ts';
import { loadConfig } from '../../config/load.ts';
import { escapeControls } from '../../observe/redaction.ts';
import { ask, route } from '../call.ts';
import type { Context } from '../context.ts';
import { CommandFailure, usage } from '../failure.ts';
import { collect, example, wholeNumber } from '../options.ts';
import { facts, jsonText, moment, table } from '../print.ts';

export function addPolicy(program: Command, context: Context): void {
  const policy = program.command('policy').description('test and understand the rules');
  addTest(policy, context);
  addExplain(policy, context);
  policy
    .command('observed')
    .description('what would have been refused, held or masked where it is only observed')
    .option('--limit <n>', 'at most so many', wholeNumber(1, 200), 50)
    .addHelpText('after', example('sallyport policy observed --config sallyport.yaml'))
    .action(async (options: { limit: number }, command: Command) => {
      const { items } = await ask(
        context.client(command),
        page(observedView),
        'GET',
        route(['policy', 'observed'], options),
      );
      if (context.wantsJson(command)) return context.io.stdout(`${jsonText(items)}\n`);
      if (items.length === 0) return context.io.stdout('nothing would have been refused\n');
      const rows = items.map((one) => [
        one.count,
        one.rule ?? '(no permit)',
        one.target,
        one.principal,
        one.why,
        moment(one.lastAt),
      ]);
      context.io.stdout(table(['TIMES', 'RULE', 'TARGET', 'PRINCIPAL', 'WHY', 'LAST'], rows));
    });
}

function addTest(policy: Command, context: Context): void {
  policy
    .command('test [files...]')
    .description('run *.test.yaml against the policies beside them; without files, all of the configuration')
    .addHelpText('after', example('sallyport policy test policies/*.test.yaml --config sallyport.yaml'))
    .action(async (files: readonly string[], _options: unknown, command: Command) => {
      const shown = (path: string) => relative(context.io.cwd, path);
      const { tests, policies } = testFiles(files, context, command);
      if (tests.length === 0)
        throw new CommandFailure('INPUT_INVALID', 'no *.test.yaml found', 'name them, or put them beside the policies');
      const read = (path: string) => ({ file: shown(path), text: readText(path) });
      const body = { tests: tests.map(read), ...(policies === null ? {} : { policies: policies.map(read) }) };
      const result = await ask(context.client(command), policyTestView, 'POST', route(['policy', 'test']), body);
      if (result.failed > 0) context.finish(1);
      if (context.wantsJson(command)) return context.io.stdout(`${jsonText(result)}\n`);
      for (const one of result.cases) {
        const line = `${one.passed ? 'ok    ' : 'FAILED'}  ${one.file}: ${one.name}${one.message === null ? '' : `: ${one.message}`}`;
        context.io.stdout(`${escapeControls(line)}\n`);
      }
      context.io.stdout(`${result.passed} passed, ${result.failed} failed\n`);
    });
}

/** The policies as they stand in the files now, which may be newer than those in force. */
function testFiles(files: readonly string[], context: Context, command: Command) {
  const path = context.configPath(command);
  if (path === null) {
    if (files.length === 0) throw usage('which tests?', 'name files, or --config FILE');
    return { tests: files.map(context.path), policies: null };
  }
  const loaded = loadConfig(path, context.io.env, systemFiles, { secrets: 'unchecked' });
  if (loaded.outcome === 'invalid')
    throw new CommandFailure('CONFIG_INVALID', `${path} has problems`, `sallyport check --config ${path}`);
  const { policies } = loaded.config;
  const directories = [...new Set(policies.map((policy) => dirname(policy)))];
  const beside = directories.flatMap((directory) => expandGlob('*.test.yaml', directory, systemFiles).paths);
  return { tests: files.length > 0 ? files.map(context.path) : beside, policies };
}

function readText(path: string): string {
  try {
    return systemFiles.read(path);
  } catch (error) {
    throw new CommandFailure('INPUT_INVALID', `${path} cannot be read`, error instanceof Error ? error.message : '');
  }
}

interface ExplainOptions {
  readonly as?: string;
  readonly kind: string;
  readonly group?: readonly string[];
  readonly onBehalfOf?: string;
  readonly on?: string;
  readonly reason: string;
  readonly approvedBy?: readonly string[];
  readonly builtin?: boolean;
}

function addExplain(policy: Command, context: Context): void {
  policy
    .command('explain [statement]')
    .description('which rules decide a statement, and why; without one, the rules in force')
    .option('--as <principal>', 'who asks')
    .option('--kind <kind>', 'human, workload or agent', 'human')
    .option('--group <name>', 'a group he is in; may be repeated', collect)
    .option('--on-behalf-of <principal>', 'for an agent: whom it acts for')
    .option('--on <target>', 'where: TARGET or TARGET/DATABASE')
    .option('--reason <text>', 'a justification given', '')
    .option('--approved-by <rule>', 'a rule whose approval is given; may be repeated', collect)
    .option('--builtin', 'show the built-in rules too')
    .addHelpText(
      'after',
      example(
        'sallyport policy explain "drop table t" --as claude --kind agent --group agents --on crm --config sallyport.yaml',
      ),
    )
    .action(async (statement: string | undefined, options: ExplainOptions, command: Command) => {
      const client = context.client(command);
      if (statement === undefined) return showRules(client, options.builtin === true, context, command);
      if (options.as === undefined || options.on === undefined)
        throw usage('--as and --on are missing', 'who asks, and where?');
      const [target = '', database] = options.on.split('/', 2);
      const body = {
        as: {
          id: options.as,
          kind: options.kind,
          groups: options.group ?? [],
          ...(options.onBehalfOf === undefined ? {} : { onBehalfOf: options.onBehalfOf }),
        },
        target,
        ...(database === undefined ? {} : { database }),
        statement,
        approvedBy: options.approvedBy ?? [],
        justification: options.reason,
      };
      const answer = await ask(client, explanation, 'POST', route(['policy', 'explain']), body);
      if (context.wantsJson(command)) return context.io.stdout(`${jsonText(answer)}\n`);
      context.io.stdout(
        facts([
          ['verdict', `${answer.verdict}${answer.observed ? ' (observed only: it would pass)' : ''}`],
          ['rules', answer.rules.join(', ')],
          ['why', answer.why],
          ['hint', answer.hint === '' ? null : answer.hint],
          ['understood', `${answer.clarity}, ${answer.verb}`],
          ...answer.touches.map(({ action, resource }) => ['touches', `${action} ${resource}`] as const),
          ...answer.cures.map(({ kind, rule, message }) => ['cure', `${kind} (${rule}) ${message}`] as const),
          ...Object.entries(answer.masks).map(([column, mask]) => ['mask', `${column} ${mask}`] as const),
          ...answer.findings.map((finding) => ['found', finding] as const),
        ]),
      );
    });
}

async function showRules(
  client: Parameters<typeof ask>[0],
  builtin: boolean,
  context: Context,
  command: Command,
): Promise<void> {
  const set = await ask(client, policySetView, 'GET', route(['policy'], { builtin: String(builtin) }));
  if (context.wantsJson(command)) return context.io.stdout(`${jsonText(set)}\n`);
  for (const rule of set.rules) {
    const note = rule.mode === 'observe' ? ' (observed only)' : '';
    context.io.stdout(
      `// ${escapeControls(rule.file)}${note}\n${rule.text.split('\n').map(escapeControls).join('\n')}\n\n`,
    );
  }
  context.io.stdout(`// ${set.rules.length} rules, digest ${set.digest}\n`);
}
