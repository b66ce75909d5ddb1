import type { Command } from 'commander';
import { z } from 'zod';
import { page, tokenCreated, tokenView } from '../../api/contract.ts';
import { ask, route } from '../call.ts';
import type { Context } from '../context.ts';
import { duration, example, wholeNumber } from '../options.ts';
import { jsonText, moment, table } from '../print.ts';

export function addToken(program: Command, context: Context): void {
  const token = program.command('token').description('tokens of service accounts and agents');
  token
    .command('create <name>')
    .description('make a token for a service account or agent; it is printed once, alone on standard output')
    .requiredOption('--ttl <duration>', 'how long it lives: 30m, 12h, 90d', duration)
    .option('--on-behalf-of <principal>', 'for an agent: whom it acts for')
    .addHelpText('after', example('sallyport token create nightly-backup --ttl 1h --config sallyport.yaml'))
    .action(async (name: string, options: { ttl: number; onBehalfOf?: string }, command: Command) => {
      const body = {
        account: name,
        ttl_ms: options.ttl,
        ...(options.onBehalfOf === undefined ? {} : { onBehalfOf: options.onBehalfOf }),
      };
      const made = await ask(context.client(command), tokenCreated, 'POST', route(['tokens']), body);
      if (context.wantsJson(command)) return context.io.stdout(`${jsonText(made)}\n`);
      context.io.stdout(`${made.token}\n`);
      context.io.stderr(
        `token ${made.id} of ${made.account}, until ${moment(made.expiresAt)}; it is not shown again\n`,
      );
    });
  token
    .command('list')
    .alias('ls')
    .description('tokens, without their secrets')
    .option('--limit <n>', 'at most so many', wholeNumber(1, 200), 50)
    .addHelpText('after', example('sallyport token list --config sallyport.yaml'))
    .action(async (options: { limit: number }, command: Command) => {
      const { items } = await ask(context.client(command), page(tokenView), 'GET', route(['tokens'], options));
      if (context.wantsJson(command)) return context.io.stdout(`${jsonText(items)}\n`);
      const rows = items.map(({ id, account, createdAt, createdBy, expiresAt, revokedAt }) => [
        id,
        account,
        moment(createdAt),
        createdBy,
        moment(expiresAt),
        revokedAt === null ? (expiresAt <= context.io.now() ? 'expired' : 'live') : `revoked ${moment(revokedAt)}`,
      ]);
      context.io.stdout(table(['ID', 'ACCOUNT', 'MADE', 'BY', 'EXPIRES', 'STATE'], rows));
    });
  token
    .command('revoke <id>')
    .description('end a token and the sessions it opened')
    .addHelpText('after', example('sallyport token revoke 3f8k2m9x1q --config sallyport.yaml'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const gone = await ask(context.client(command), z.object({ id: z.string() }), 'DELETE', route(['tokens', id]));
      context.io.stdout(context.wantsJson(command) ? `${jsonText(gone)}\n` : `token ${gone.id} is revoked\n`);
    });
}
