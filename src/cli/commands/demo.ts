import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { CommandFailure } from '../failure.ts';
import { example } from '../options.ts';

export function addDemo(program: Command, context: Context): void {
  program
    .command('demo')
    .description('a gateway, a real PostgreSQL with sample data, an identity provider, and a guided tour')
    .option('--non-interactive', 'run the tour and end')
    .addHelpText('after', example('sallyport demo'))
    .action(async (options: { nonInteractive?: boolean }) => {
      if (context.rooms.demo === undefined) {
        throw new CommandFailure(
          'USAGE',
          'the demo is not part of this installation',
          'in a checkout: npm run demo',
          2,
        );
      }
      context.finish(await context.rooms.demo({ interactive: options.nonInteractive !== true, io: context.io }));
    });
}
