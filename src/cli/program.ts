import { isAbsolute, join } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { createClient } from './client.ts';
import { addAudit } from './commands/audit.ts';
import { addCheck } from './commands/check.ts';
import { addCompletion } from './commands/completion.ts';
import { addDemo } from './commands/demo.ts';
import { addInit } from './commands/init.ts';
import { addPolicy } from './commands/policy.ts';
import { addRequests } from './commands/requests.ts';
import { addRevoke } from './commands/revoke.ts';
import { addServe } from './commands/serve.ts';
import { addSessions } from './commands/sessions.ts';
import { addTargets } from './commands/targets.ts';
import { addToken } from './commands/token.ts';
import { addWhoami } from './commands/whoami.ts';
import type { Context, Io, Rooms } from './context.ts';
import { destinationOf } from './destination.ts';
import { describeFailure } from './failure.ts';

/** Runs one command line; gives the exit code: 0 done, 1 failed, 2 not understood. */
export async function run(argv: readonly string[], io: Io, rooms: Rooms): Promise<number> {
  let exitCode = 0;
  const program = buildProgram(io, rooms, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const failure = describeFailure(error, argv.includes('--debug'));
    io.stderr(failure.text);
    return failure.exitCode;
  }
}

export function buildProgram(io: Io, rooms: Rooms, finish: (code: number) => void): Command {
  const program = new Command('sallyport')
    .description(
      'The only way in to your databases: knows who asks, decides each statement, and can prove what happened.',
    )
    .version(rooms.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addOption(new Option('--config <file>', 'the gateway of this configuration, as its operator (SALLYPORT_CONFIG)'))
    .addOption(new Option('--gateway <url>', 'a gateway elsewhere, as yourself (SALLYPORT_GATEWAY, SALLYPORT_TOKEN)'))
    .addOption(new Option('--ca <file>', "the gateway's CA (SALLYPORT_CA)"))
    .addOption(new Option('--json', 'print JSON'))
    .addOption(new Option('--debug', 'print the stack of a failure'))
    .showSuggestionAfterError(true);
  const context = contextOf(io, rooms, finish);
  for (const add of COMMANDS) add(program, context);
  eachCommand(program, (command) => {
    command.exitOverride();
    command.configureOutput({
      writeOut: (text) => io.stdout(text),
      writeErr: (text) => io.stderr(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'sallyport: USAGE: ')),
    });
    command.configureHelp({ showGlobalOptions: true, helpWidth: 100 });
    if (command.commands.length > 0 && command !== program) {
      command.action(() => command.help({ error: true }));
    }
  });
  return program;
}

function contextOf(io: Io, rooms: Rooms, finish: (code: number) => void): Context {
  const path = (written: string): string => (isAbsolute(written) ? written : join(io.cwd, written));
  const options = (command: Command): GlobalOptions => command.optsWithGlobals<GlobalOptions>();
  return {
    io,
    rooms,
    finish,
    path,
    client: (command) => {
      const { config, gateway, ca } = options(command);
      return createClient(destinationOf({ config, gateway, ca }, io.env, path));
    },
    wantsJson: (command) => options(command).json === true,
    configPath: (command) => {
      const named = options(command).config ?? io.env.SALLYPORT_CONFIG;
      return named === undefined || named === '' ? null : path(named);
    },
  };
}

interface GlobalOptions {
  readonly config?: string;
  readonly gateway?: string;
  readonly ca?: string;
  readonly json?: boolean;
}

export function eachCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const inner of command.commands) eachCommand(inner, visit);
}

const COMMANDS = [
  addServe,
  addDemo,
  addInit,
  addCheck,
  addWhoami,
  addToken,
  addTargets,
  addSessions,
  addRequests,
  addPolicy,
  addAudit,
  addRevoke,
  addCompletion,
];
