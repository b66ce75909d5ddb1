import type { Command } from 'commander';
import { revokedView } from '../../api/contract.ts';
import { escapeControls } from '../../observe/redaction.ts';
import { ask, route } from '../call.ts';
import type { Context } from '../context.ts';
import { example } from '../options.ts';
import { jsonText } from '../print.ts';

export function addRevoke(program: Command, context: Context): void {
  program
    .command('revoke <principal>')
    .description('end every session and token of an identity, now')
    .addHelpText('after', example('sallyport revoke okta/00u1ab2cd --config sallyport.yaml'))
    .action(async (principal: string, _options: unknown, command: Command) => {
      const revoked = await ask(context.client(command), revokedView, 'POST', route(['revocations']), { principal });
      if (context.wantsJson(command)) return context.io.stdout(`${jsonText(revoked)}\n`);
      context.io.stdout(`${escapeControls(revoked.principal)} is revoked; ${revoked.sessionsEnded} sessions ended\n`);
    });
}
