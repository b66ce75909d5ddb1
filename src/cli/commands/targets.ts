import type { Command } from 'commander';
import { z } from 'zod';
import { targetView } from '../../api/contract.ts';
import { ask, route } from '../call.ts';
import type { Context } from '../context.ts';
import { example } from '../options.ts';
import { jsonText, moment, table } from '../print.ts';

export function addTargets(program: Command, context: Context): void {
  program
    .command('targets')
    .description('what you may reach')
    .addHelpText('after', example('sallyport targets --gateway https://gw.example.com:8443'))
    .action(async (_options: unknown, command: Command) => {
      const { items } = await ask(
        context.client(command),
        z.object({ items: z.array(targetView) }),
        'GET',
        route(['targets']),
      );
      if (context.wantsJson(command)) return context.io.stdout(`${jsonText(items)}\n`);
      if (items.length === 0) return context.io.stdout('no target is open to you\n');
      const rows = items.map(({ name, protocol, labels, mode, observeUntil, connect }) => [
        name,
        protocol,
        Object.entries(labels)
          .map(([label, value]) => `${label}=${value}`)
          .join(' '),
        mode === 'observe' ? `observed until ${moment(observeUntil)}` : 'enforced',
        connect,
      ]);
      context.io.stdout(table(['NAME', 'PROTOCOL', 'LABELS', 'MODE', 'CONNECT'], rows));
    });
}
