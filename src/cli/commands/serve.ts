import { type Command, Option } from 'commander';
import { createLog, LOG_LEVELS, type LogLevel } from '../../observe/log.ts';
import type { Context } from '../context.ts';
import { usage } from '../failure.ts';
import { example } from '../options.ts';
import { checkAll, report } from './check.ts';

export function addServe(program: Command, context: Context): void {
  program
    .command('serve')
    .description('run the gateway')
    .addOption(new Option('--log-level <level>', 'how much to log').choices(LOG_LEVELS).default('info'))
    .addHelpText('after', example('sallyport serve --config sallyport.yaml'))
    .action(async (options: { logLevel: LogLevel }, command: Command) => {
      const path = context.configPath(command);
      if (path === null) throw usage('which configuration?', '--config FILE or SALLYPORT_CONFIG');
      const found = await checkAll(path, context, 'present');
      report(found, context);
      if (found.problems.length > 0) return context.finish(1);
      const { io } = context;
      const log = createLog({ level: options.logLevel, to: { write: (line: string) => io.stderr(line) } });
      const gateway = await context.rooms.startGateway({ configPath: path, env: io.env, log });
      const addresses = Object.entries(gateway.addresses).map(([name, address]) => `${name} ${address}`);
      log.info({ addresses, version: context.rooms.version }, 'the gateway listens');
      await aborted(io.stop);
      log.info({ reason: String(io.stop.reason) }, 'the gateway stops');
      await gateway.stop(String(io.stop.reason));
    });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
