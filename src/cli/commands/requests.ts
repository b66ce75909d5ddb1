import { type Command, Option } from 'commander';
import { page, requestView } from '../../api/contract.ts';
import { ask, route } from '../call.ts';
import type { Context } from '../context.ts';
import { usage } from '../failure.ts';
import { requestText } from '../lines.ts';
import { example, wholeNumber } from '../options.ts';
import { jsonText, span, table } from '../print.ts';

export function addRequests(program: Command, context: Context): void {
  const requests = program.command('requests').description('approvals: asked for, and waiting for you');
  requests
    .command('ls')
    .description('requests you made or may decide')
    .addOption(new Option('--state <state>', 'only those in this state').choices(STATES).default('pending'))
    .option('--all', 'in any state')
    .option('--limit <n>', 'at most so many', wholeNumber(1, 200), 50)
    .addHelpText('after', example('sallyport requests ls --gateway https://gw.example.com:8443'))
    .action(async (options: { state: string; all?: boolean; limit: number }, command: Command) => {
      const path = route(['requests'], {
        limit: options.limit,
        state: options.all === true ? undefined : options.state,
      });
      const { items } = await ask(context.client(command), page(requestView), 'GET', path);
      if (context.wantsJson(command)) return context.io.stdout(`${jsonText(items)}\n`);
      if (items.length === 0) return context.io.stdout('no request waits\n');
      const rows = items.map((one) => [
        one.id,
        one.state,
        one.principal,
        one.target,
        one.rules.join(','),
        one.state === 'pending' ? span(one.expiresAt - context.io.now()) : '',
        one.statements[0]?.text.slice(0, 60) ?? '',
      ]);
      context.io.stdout(table(['ID', 'STATE', 'BY', 'TARGET', 'RULES', 'LEFT', 'STATEMENT'], rows));
    });
  requests
    .command('show <id>')
    .description('one request, with the exact statements')
    .addHelpText('after', example('sallyport requests show req_1 --gateway https://gw.example.com:8443'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const request = await ask(context.client(command), requestView, 'GET', route(['requests', id]));
      context.io.stdout(context.wantsJson(command) ? `${jsonText(request)}\n` : requestText(request, context.io.now()));
    });
  addDecision(requests, context, 'approve', 'let it run, once, exactly as shown');
  addDecision(requests, context, 'deny', 'refuse it');
}

function addDecision(requests: Command, context: Context, decision: 'approve' | 'deny', description: string): void {
  requests
    .command(`${decision} <id>`)
    .description(`${description}; as yourself, never as the operator`)
    .option('--reason <text>', 'why; it is recorded', '')
    .addHelpText(
      'after',
      example(`sallyport requests ${decision} req_1 --reason "checked with Ada" --gateway https://gw.example.com:8443`),
    )
    .action(async (id: string, options: { reason: string }, command: Command) => {
      if (decision === 'deny' && options.reason.trim() === '') {
        throw usage('a denial needs a reason', '--reason "why": it is recorded, and who asked reads it');
      }
      const client = context.client(command);
      // What is decided is what was shown here: the digest goes along, and a request that has changed is not decided.
      const shown = await ask(client, requestView, 'GET', route(['requests', id]));
      if (!context.wantsJson(command)) context.io.stderr(requestText(shown, context.io.now()));
      const body = { decision, reason: options.reason, digest: shown.digest };
      const decided = await ask(client, requestView, 'POST', route(['requests', id, 'decisions']), body);
      if (context.wantsJson(command)) return context.io.stdout(`${jsonText(decided)}\n`);
      const heard = decided.decisions.filter((one) => one.decision === 'approve').length;
      const more = decided.state === 'pending' ? `, ${decided.count - heard} more to come` : '';
      context.io.stdout(`request ${decided.id}: ${decided.state}${more}\n`);
    });
}

const STATES = requestView.shape.state.options;
