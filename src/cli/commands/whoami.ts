import type { Command } from 'commander';
import { whoamiView } from '../../api/contract.ts';
import { ask, route } from '../call.ts';
import type { Context } from '../context.ts';
import { example } from '../options.ts';
import { facts, jsonText, moment } from '../print.ts';

export function addWhoami(program: Command, context: Context): void {
  program
    .command('whoami')
    .description('who the gateway takes you for')
    .addHelpText('after', example('sallyport whoami --gateway https://gw.example.com:8443'))
    .action(async (_options: unknown, command: Command) => {
      const me = await ask(context.client(command), whoamiView, 'GET', route(['whoami']));
      if (context.wantsJson(command)) return context.io.stdout(`${jsonText(me)}\n`);
      const { principal } = me;
      context.io.stdout(
        facts([
          ['you are', principal === null ? 'the operator' : `${principal.id} (${principal.kind})`],
          ...(principal === null
            ? []
            : ([
                ['name', principal.name],
                ['person', principal.person],
                ['groups', principal.groups.join(', ')],
                ['acting for', principal.onBehalfOf.length === 0 ? null : principal.onBehalfOf.join(', ')],
                ['until', moment(me.endsAt)],
              ] as const)),
          ['by', me.by],
          ...me.notEnforced.map(({ target, until }) => ['not enforced', `${target} until ${moment(until)}`] as const),
        ]),
      );
    });
}
